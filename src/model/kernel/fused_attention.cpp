#include "model/kernel/fused_attention.h"

#include <algorithm>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::AttentionProblem;
using kernel::HeadsView;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

HeadsView view_of(const Tensor& x_BTHD) {
  return {const_cast<void*>(x_BTHD.const_data_ptr()), x_BTHD.stride(0), x_BTHD.stride(1), x_BTHD.stride(2)};
}

// The kernels read rows of channels that lie together; bfloat16 reads them in pairs.
Tensor readable(const Tensor& x_BTHD) {
  const bool pairs = x_BTHD.scalar_type() == at::kBFloat16;
  const auto odd = [&](std::int64_t stride) { return pairs && stride % 2 != 0; };
  const bool fits = x_BTHD.stride(3) == 1 && !odd(x_BTHD.stride(0)) && !odd(x_BTHD.stride(1)) &&
                    !odd(x_BTHD.stride(2)) && !odd(x_BTHD.storage_offset());
  return fits ? x_BTHD : x_BTHD.contiguous();
}

// f(b, n, scratch) for b < B and n < N, each by one thread alone: the bits don't depend on their number.
template <typename Function>
void for_pairs(std::int64_t B, std::int64_t N, std::size_t scratch_bytes, const Function& f) {
  at::parallel_for(0, B * N, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto scratch = c10::GetCPUAllocator()->allocate(scratch_bytes);
    for (auto i = begin; i < end; ++i) f(i / N, i % N, scratch.get());
  });
}

// The numbers of a call.
struct AttentionCall {
  std::int64_t H = 0;  // heads of queries
  double scale = 1;
  Reciprocal reciprocal;
  RowsRequest rows;
  double drop = 0;  // probability that a weight is dropped
  std::int64_t stream = 0;
  std::vector<std::int64_t> samples;
  bool causal = true;

  // Kept for the backward pass.
  c10::IValue to_value() const {
    const std::vector<std::int64_t> integers = {
        reciprocal.window, rows.most, rows.by_head, stream, H, causal};
    return c10::ivalue::Tuple::create(
        {std::vector<double>{scale, reciprocal.alpha, drop}, integers, samples});
  }
  static AttentionCall from_value(const c10::IValue& value) {
    const auto& parts = value.toTupleRef().elements();
    const auto numbers = parts[0].toDoubleVector();
    const auto integers = parts[1].toIntVector();
    return {integers[4],
            numbers[0],
            {numbers[1], integers[0]},
            {.wanted = true, .by_head = integers[2] != 0, .most = integers[1]},
            numbers[2],
            integers[3],
            parts[2].toIntVector(),
            integers[5] != 0};
  }

  kernel::WeightDropout dropout() const {
    if (drop == 0) return {};
    return {.key = static_cast<std::uint64_t>(stream),
            .samples = reinterpret_cast<const std::uint64_t*>(samples.data()),
            .threshold = static_cast<std::uint32_t>(drop * 0x1p32),
            .keep = static_cast<float>(1 / (1 - drop))};
  }
};

AttentionCall call_of(const AttentionInput& in, const RowsRequest& rows, const Dropout& dropout,
                      bool causal) {
  AttentionCall call{in.q.size(2), in.scale, in.reciprocal, rows, 0, 0, {}, causal};
  if (!dropout.active()) return call;
  dropout.check_samples(in.q.size(0), in.site);
  const auto& samples = dropout.samples();
  return {call.H,
          call.scale,
          call.reciprocal,
          rows,
          dropout.probability(),
          static_cast<std::int64_t>(dropout.stream(in.site)),
          {samples.begin(), samples.end()},
          causal};
}

// Queries, keys and values from three tensors, or from one with H heads of queries first.
struct Heads {
  Heads(const variable_list& list, std::int64_t H) {
    if (list.size() == 3) {
      q = list[0], k = list[1], v = list[2];
    } else {
      const AttentionInput packed(list[0], H, 1);
      q = packed.q, k = packed.k, v = packed.v;
    }
  }
  Tensor q, k, v;
};

AttentionProblem attention_problem(const Heads& heads, const AttentionCall& call) {
  return {.T = heads.q.size(1),
          .H = heads.q.size(2),
          .K = heads.k.size(2),
          .causal = call.causal,
          .D = heads.q.size(3),
          .C = heads.v.size(3),
          .bfloat16 = heads.q.scalar_type() == at::kBFloat16,
          .scale = static_cast<float>(call.scale),
          .reciprocal_alpha = static_cast<float>(call.reciprocal.alpha),
          .reciprocal_window = call.reciprocal.window,
          .q = view_of(heads.q),
          .k = view_of(heads.k),
          .v = view_of(heads.v),
          .dropout = call.dropout()};
}

struct Outputs {
  Tensor values_BTHC, log_sum_BHT, rows, columns_BTk;
};

void make_rows(const AttentionProblem& problem, const AttentionCall& call, std::int64_t B, Outputs& outputs) {
  const std::int64_t T = problem.T, k = std::min(call.rows.most, T);
  TORCH_CHECK(!call.rows.by_head || k == 0, "rows of every head are not selected");
  const auto options = outputs.log_sum_BHT.options();
  const bool by_head = call.rows.by_head;
  outputs.rows =
      by_head ? at::empty({B, problem.H, T, T}, options) : at::empty({B, T, k > 0 ? k : T}, options);
  if (k > 0) outputs.columns_BTk = at::empty({B, T, k}, options.dtype(at::kInt));
  const kernel::RoutingRows out{outputs.log_sum_BHT.const_data_ptr<float>(), k, by_head,
                                outputs.rows.data_ptr<float>(),
                                k > 0 ? outputs.columns_BTk.data_ptr<std::int32_t>() : nullptr};
  const auto* kernels = kernel::cpu_kernels();
  const auto blocks = (T + kernel::kQueriesAtOnce - 1) / kernel::kQueriesAtOnce;
  for_pairs(B, blocks, kernels->rows_scratch(problem, out),
            [&](std::int64_t b, std::int64_t block, void* scratch) {
              kernels->rows(problem, out, b, block * kernel::kQueriesAtOnce, scratch);
            });
}

Outputs run_forward(const Heads& heads, const AttentionCall& call) {
  const auto B = heads.q.size(0), T = heads.q.size(1), H = heads.q.size(2), C = heads.v.size(3);
  const auto problem = attention_problem(heads, call);
  Outputs outputs{at::empty({B, T, H, C}, heads.q.options()),
                  at::empty({B, H, T}, heads.q.options().dtype(at::kFloat)),
                  {},
                  {}};
  const auto* kernels = kernel::cpu_kernels();
  const kernel::AttentionForward out{view_of(outputs.values_BTHC), outputs.log_sum_BHT.data_ptr<float>()};
  for_pairs(B, H, kernels->forward_scratch(problem), [&](std::int64_t b, std::int64_t h, void* scratch) {
    kernels->forward(problem, out, b, h, scratch);
  });
  if (call.rows.wanted) make_rows(problem, call, B, outputs);
  return outputs;
}

// `grad_outputs`: of the values and, if anything used them, of the rows.
void run_backward(const Heads& heads, const AttentionCall& call, const Outputs& outputs,
                  const variable_list& grad_outputs, const Heads& gradients) {
  const auto problem = attention_problem(heads, call);
  const Tensor values =
      grad_outputs[0].defined() ? readable(grad_outputs[0]) : at::zeros_like(outputs.values_BTHC);
  const Tensor rows =
      grad_outputs.size() > 1 && grad_outputs[1].defined() ? grad_outputs[1].contiguous() : Tensor();
  kernel::RowsGradient rows_gradient;
  if (rows.defined()) {
    rows_gradient.weights = rows.const_data_ptr<float>();
    rows_gradient.most = rows.size(-1);
    rows_gradient.by_head = call.rows.by_head;
    if (outputs.columns_BTk.defined())
      rows_gradient.columns = outputs.columns_BTk.const_data_ptr<std::int32_t>();
  }
  const kernel::AttentionBackward out{view_of(outputs.values_BTHC),
                                      view_of(values),
                                      outputs.log_sum_BHT.const_data_ptr<float>(),
                                      rows_gradient,
                                      view_of(gradients.q),
                                      view_of(gradients.k),
                                      view_of(gradients.v)};
  const auto* kernels = kernel::cpu_kernels();
  for_pairs(values.size(0), problem.K, kernels->backward_scratch(problem),
            [&](std::int64_t b, std::int64_t kept, void* scratch) {
              kernels->backward(problem, out, b, kept, scratch);
            });
}

// k and v are missing where the first tensor holds all three.
struct Fused : torch::autograd::Function<Fused> {
  static variable_list forward(AutogradContext* ctx, const Tensor& first, const std::optional<Tensor>& k,
                               const std::optional<Tensor>& v, const AttentionCall& call) {
    variable_list saved{first};
    if (k) saved.insert(saved.end(), {*k, *v});
    const Outputs outputs = run_forward(Heads(saved, call.H), call);
    for (const auto& tensor : {outputs.values_BTHC, outputs.log_sum_BHT, outputs.columns_BTk})
      saved.push_back(tensor);
    ctx->save_for_backward(saved);
    ctx->saved_data["call"] = call.to_value();
    ctx->set_materialize_grads(false);
    if (!call.rows.wanted) return {outputs.values_BTHC};
    if (!outputs.columns_BTk.defined()) return {outputs.values_BTHC, outputs.rows};
    ctx->mark_non_differentiable({outputs.columns_BTk});
    return {outputs.values_BTHC, outputs.rows, outputs.columns_BTk};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of attention has no gradient");
    const auto saved = ctx->get_saved_variables();
    const auto call = AttentionCall::from_value(ctx->saved_data["call"]);
    const auto inputs = variable_list(saved.begin(), saved.end() - 3);
    const Outputs outputs{saved.end()[-3], saved.end()[-2], {}, saved.end()[-1]};
    variable_list gradients;
    for (const auto& input : inputs) gradients.push_back(at::empty(input.sizes(), input.options()));
    run_backward(Heads(inputs, call.H), call, outputs, grad_outputs, Heads(gradients, call.H));
    gradients.resize(4);  // none of what is missing, and of the call
    return gradients;
  }
};

Attended unpack(const variable_list& outputs) {
  Attended attended{.values_BTHC = outputs[0], .rows = {}};
  if (outputs.size() == 2)
    (outputs[1].dim() == 4 ? attended.rows.by_head_BHTT : attended.rows.mean_BTT) = outputs[1];
  if (outputs.size() == 3) attended.rows.largest_BTk = outputs[1], attended.rows.columns_BTk = outputs[2];
  return attended;
}

}  // namespace

bool fused_attention_serves(const Tensor& heads_BTHD) {
  const auto D = heads_BTHD.size(-1);
  const bool type =
      heads_BTHD.scalar_type() == at::kFloat || (heads_BTHD.scalar_type() == at::kBFloat16 && D % 2 == 0);
  return heads_BTHD.is_cpu() && type && D <= kernel::kMostHeadWidth && kernel::cpu_kernels() != nullptr;
}

Attended fused_attention(const AttentionInput& in, const RowsRequest& rows, const Dropout& dropout,
                         bool causal) {
  TORCH_CHECK(causal || in.reciprocal.alpha == 0, "the tiles' reciprocal attention is causal");
  const AttentionCall call = call_of(in, rows, dropout, causal);
  if (in.packed.defined())
    return unpack(
        Fused::apply(in.packed.contiguous(), std::optional<Tensor>(), std::optional<Tensor>(), call));
  const auto like = [](const Tensor& a, const Tensor& b, std::initializer_list<std::int64_t> dims) {
    return std::all_of(dims.begin(), dims.end(), [&](auto dim) { return a.size(dim) == b.size(dim); });
  };
  TORCH_CHECK(like(in.q, in.k, {0, 1, 3}) && like(in.k, in.v, {0, 1, 2}) && in.q.size(2) % in.k.size(2) == 0,
              "queries ", in.q.sizes(), ", keys ", in.k.sizes(), " and values ", in.v.sizes(),
              " don't fit one another");
  TORCH_CHECK(in.q.scalar_type() == in.k.scalar_type() && in.q.scalar_type() == in.v.scalar_type(),
              "queries, keys and values must have one type");
  return unpack(
      Fused::apply(readable(in.q), std::optional(readable(in.k)), std::optional(readable(in.v)), call));
}

}  // namespace kablate
