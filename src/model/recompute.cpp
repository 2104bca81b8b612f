#include "model/recompute.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "shape/policy.h"

namespace kablate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What one call leaves for its backward pass beside the tensors that autograd keeps.
struct Record : torch::CustomClassHolder {
  TensorFunction compute;
  Tensors parameters;
  std::vector<bool> inputs, outputs;  // which of them are defined
  std::optional<double> scale;        // of the last map, where there is one
  std::int64_t rows = 0;
};

// The defined ones of `list` in the places that `defined` says.
Tensors placed(const variable_list& list, const std::vector<bool>& defined) {
  Tensors result;
  std::size_t next = 0;
  for (const bool here : defined) result.push_back(here ? list[next++] : Tensor());
  return result;
}

variable_list defined_of(const Tensors& tensors) {
  variable_list list;
  for (const auto& tensor : tensors)
    if (tensor.defined()) list.push_back(tensor);
  return list;
}

std::vector<bool> which_defined(const Tensors& tensors) {
  std::vector<bool> defined;
  for (const auto& tensor : tensors) defined.push_back(tensor.defined());
  return defined;
}

// base + scale·(v·Wᵀ + b)
Tensor mapped(const Tensor& base, const Tensor& v, const Tensor& weight, const Tensor& bias, double scale) {
  auto sizes = v.sizes().vec();
  sizes.back() = weight.size(0);
  Tensor y = linear_values(rows_of(v), weight, bias).view(sizes);
  if (base.defined()) return at::add_out(y, base, y, scale);
  return scale == 1 ? y : y.mul_(scale);
}

// Numbers of some sequences, put together in one tensor of all of them.
class Gathered {
 public:
  void put(const Tensor& part, std::int64_t first, std::int64_t all) {
    if (!part.defined()) return;
    if (part.size(0) == all) {
      whole_ = part;
      return;
    }
    if (!whole_.defined()) {
      auto sizes = part.sizes().vec();
      sizes[0] = all;
      whole_ = at::empty(sizes, part.options());
    }
    whole_.narrow(0, first, part.size(0)).copy_(part);
  }
  const Tensor& whole() const { return whole_; }

 private:
  Tensor whole_;
};

void add_to(Tensor& sum, const Tensor& part) {
  if (part.defined()) sum = sum.defined() ? sum.add_(part) : part;
}

// The backward pass of one call.
class RecomputedBackward {
 public:
  RecomputedBackward(const Record& record, variable_list inputs, std::vector<bool> wanted, Tensor weight,
                     variable_list grad_outputs)
      : record_(record),
        inputs_(std::move(inputs)),
        wanted_(std::move(wanted)),
        weight_(std::move(weight)),
        grad_outputs_(std::move(grad_outputs)),
        of_inputs_(inputs_.size()),
        of_parameters_(record.parameters.size()) {}

  // Of inputs and parameters; and v, of all sequences.
  variable_list run() {
    const Tensor& x = inputs_.front();
    const auto B = x.size(0), pieces = record_.rows > 0 ? recompute_pieces(B, x.size(1), record_.rows) : 1;
    for (std::int64_t i = 0; i < pieces; ++i) {
      const auto first = i * B / pieces;
      run_piece(first, (i + 1) * B / pieces - first);
    }
    variable_list gradients;
    for (const auto& gathered : of_inputs_) gradients.push_back(gathered.whole());
    gradients.insert(gradients.end(), of_parameters_.begin(), of_parameters_.end());
    return gradients;
  }

  const Tensor& v() const { return v_.whole(); }

 private:
  void run_piece(std::int64_t first, std::int64_t count) {
    variable_list leaves, wanted;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      leaves.push_back(inputs_[i].narrow(0, first, count).detach().set_requires_grad(wanted_[i]));
      if (wanted_[i]) wanted.push_back(leaves.back());
    }
    for (const auto& parameter : record_.parameters)
      if (parameter.requires_grad()) wanted.push_back(parameter);
    variable_list roots, gradients;
    make_roots(leaves, first, count, roots, gradients);
    if (roots.empty()) return;
    const auto grads = torch::autograd::grad(roots, wanted, gradients, std::nullopt, /*create_graph=*/false,
                                             /*allow_unused=*/true);
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (wanted_[i]) of_inputs_[i].put(grads[next++], first, inputs_[i].size(0));
    for (std::size_t i = 0; i < of_parameters_.size(); ++i)
      if (record_.parameters[i].requires_grad()) add_to(of_parameters_[i], grads[next++]);
  }

  // The outputs, as far as a gradient reaches them, and those gradients.
  void make_roots(const variable_list& leaves, std::int64_t first, std::int64_t count, variable_list& roots,
                  variable_list& gradients) {
    const auto add = [&](const Tensor& root, const Tensor& gradient) {
      if (!root.defined() || !gradient.defined() || !root.requires_grad()) return;
      roots.push_back(root);
      gradients.push_back(gradient);
    };
    const at::AutoGradMode with_gradients(true);
    const Tensors outputs = record_.compute(placed(leaves, record_.inputs));
    const at::AutoGradMode without_gradients(false);
    std::size_t next = 0;  // of the incoming gradients
    const auto grad_output = [&](bool defined) {
      const Tensor whole = defined ? grad_outputs_[next++] : Tensor();
      return whole.defined() ? whole.narrow(0, first, count) : whole;
    };
    std::size_t i = 0;
    if (record_.scale) {
      const Tensor here = grad_output(true);
      add(outputs[0], here);
      if (here.defined()) add(outputs[1], gradient_of_v(here, outputs[1], first));
      i = 2;
    }
    for (; i < outputs.size(); ++i) add(outputs[i], grad_output(outputs[i].defined()));
  }

  Tensor gradient_of_v(const Tensor& grad_output, const Tensor& v, std::int64_t first) {
    v_.put(v.detach(), first, inputs_.front().size(0));
    const Tensor gradient = linear_input_gradient(rows_of(grad_output), weight_).view(v.sizes());
    return *record_.scale == 1 ? gradient : gradient.mul_(*record_.scale);
  }

  const Record& record_;
  variable_list inputs_;
  std::vector<bool> wanted_;
  Tensor weight_;
  variable_list grad_outputs_;
  std::vector<Gathered> of_inputs_;
  variable_list of_parameters_;
  Gathered v_;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  // `tensors`: the defined inputs, the parameters, then weight and bias where there are any.
  static variable_list forward(AutogradContext* ctx, const c10::intrusive_ptr<Record>& record,
                               at::TensorList tensors) {
    const auto inputs = std::count(record->inputs.begin(), record->inputs.end(), true);
    const variable_list given(tensors.begin(), tensors.begin() + inputs);
    const auto maps =
        static_cast<std::size_t>(inputs) + record->parameters.size();  // where weight and bias begin
    Tensors outputs = record->compute(placed(given, record->inputs));
    if (record->scale) {
      const Tensor bias = tensors.size() > maps + 1 ? tensors[maps + 1] : Tensor();
      outputs[0] = mapped(outputs[0], outputs[1], tensors[maps], bias, *record->scale);
      outputs.erase(outputs.begin() + 1);
    }
    record->outputs = which_defined(outputs);
    variable_list kept = given;
    kept.insert(kept.end(), record->parameters.begin(), record->parameters.end());  // nobody may change them
    if (record->scale) kept.push_back(tensors[maps]);
    ctx->save_for_backward(kept);
    ctx->saved_data["record"] = c10::IValue::make_capsule(record);
    ctx->saved_data["tensors"] = static_cast<std::int64_t>(tensors.size());
    ctx->set_materialize_grads(false);
    return defined_of(outputs);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of what is recomputed has no gradient");
    const auto& record = static_cast<const Record&>(*ctx->saved_data["record"].toCapsule());
    const auto tensors = static_cast<std::size_t>(ctx->saved_data["tensors"].toInt());
    variable_list inputs = ctx->get_saved_variables();
    Tensor weight;
    if (record.scale) {
      weight = inputs.back();
      inputs.pop_back();
    }
    inputs.resize(inputs.size() - record.parameters.size());
    std::vector<bool> wanted;
    for (std::size_t i = 0; i < inputs.size(); ++i) wanted.push_back(ctx->needs_input_grad(i));
    const std::size_t maps = inputs.size() + record.parameters.size();
    RecomputedBackward pass(record, std::move(inputs), std::move(wanted), weight, grad_outputs);
    variable_list gradients(1);  // none of the record
    for (const auto& gradient : pass.run()) gradients.push_back(gradient);
    if (record.scale) {
      gradients.emplace_back(gradient_of_weight(record, grad_outputs[0], pass.v()));
      if (tensors > maps + 1) gradients.emplace_back(gradient_of_bias(record, grad_outputs[0]));
    }
    return gradients;
  }

  static Tensor gradient_of_weight(const Record& record, const Tensor& grad_output, const Tensor& v) {
    if (!grad_output.defined()) return {};
    return linear_weight_gradient(rows_of(grad_output), rows_of(v)).mul_(*record.scale);
  }

  static Tensor gradient_of_bias(const Record& record, const Tensor& grad_output) {
    return grad_output.defined() ? rows_of(grad_output).sum(0).mul_(*record.scale) : Tensor();
  }
};

Tensors apply(const Recomputation& recomputation, const LinearMap* map, double scale) {
  const auto record = c10::make_intrusive<Record>();
  record->compute = recomputation.compute;
  record->parameters = recomputation.parameters;
  record->inputs = which_defined(recomputation.inputs);
  record->rows = recomputation.rows;
  variable_list tensors = defined_of(recomputation.inputs);
  tensors.insert(tensors.end(), recomputation.parameters.begin(), recomputation.parameters.end());
  if (map != nullptr) {
    record->scale = scale;
    tensors.push_back(map->weight);
    if (map->bias.defined()) tensors.push_back(map->bias);
  }
  return placed(Recomputed::apply(record, at::TensorList(tensors)), record->outputs);
}

}  // namespace

Tensors recomputed(const Recomputation& recomputation) { return apply(recomputation, nullptr, 1); }

Tensors recomputed_into(const Recomputation& recomputation, const LinearMap& map, double scale) {
  return apply(recomputation, &map, scale);
}

}  // namespace kablate
