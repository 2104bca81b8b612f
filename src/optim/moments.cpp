#include "optim/moments.h"

#include <algorithm>
#include <set>

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include "base/error.h"
#include "base/text.h"
#include "shape/parameter.h"

namespace kablate {
namespace {

std::vector<at::Tensor> pick(const std::vector<at::Tensor>& tensors, const std::vector<std::size_t>& places) {
  std::vector<at::Tensor> picked;
  picked.reserve(places.size());
  for (const auto place : places) picked.push_back(tensors[place]);
  return picked;
}

WorkError wrong_moment(const std::string& name, const std::string& why) {
  return WorkError(kablate::str("optimizer state: tensor \"", name, "\" ", why));
}

void check_tensor(const std::map<std::string, at::Tensor>& state, const std::string& name,
                  at::ScalarType type, at::IntArrayRef shape) {
  const auto found = state.find(name);
  if (found == state.end()) throw wrong_moment(name, "is missing");
  const auto& tensor = found->second;
  if (tensor.scalar_type() != type || tensor.sizes() != shape)
    throw wrong_moment(name, kablate::str("is ", tensor.scalar_type(), " ", tensor.sizes(), ", expected ",
                                          type, " ", shape));
}

}  // namespace

Moments::Moments(const OptimConfig& config, NamedParameters parameters, Communicator& ranks)
    : beta1_(config.beta1),
      beta2_(config.beta2),
      epsilon_(config.epsilon),
      parameters_(std::move(parameters)),
      share_(parameters_.tensors, ranks),
      own_(share_.own(parameters_.tensors)) {
  const auto& [names, tensors] = parameters_;
  TORCH_CHECK(names.size() == tensors.size(), names.size(), " names for ", tensors.size(), " parameters");
  for (std::size_t i = 0; i < tensors.size(); ++i)
    TORCH_CHECK(tensors[i].scalar_type() == at::kFloat && tensors[i].is_contiguous(), "parameter ", names[i],
                " must be float32 and contiguous, is ", tensors[i].scalar_type(), " with strides ",
                tensors[i].strides());
  Group decayed{config.weight_decay, {}}, plain{0, {}};
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const auto place = share_.members()[i];
    const bool decays = config.decay_all || (tensors[place].dim() >= 2 && !is_bias(names[place]));
    (decays ? decayed : plain).members.push_back(i);
    first_.push_back(at::zeros_like(own_[i]).detach());
    second_.push_back(at::zeros_like(own_[i]).detach());
  }
  for (auto& group : {decayed, plain})
    if (!group.members.empty()) groups_.push_back(group);
}

std::vector<at::Tensor> Moments::gradients() const {
  std::vector<at::Tensor> gradients;
  gradients.reserve(parameters_.tensors.size());
  for (std::size_t i = 0; i < parameters_.tensors.size(); ++i) {
    const auto& name = parameters_.names[i];
    auto& gradient = parameters_.tensors[i].mutable_grad();
    TORCH_CHECK(gradient.defined(), "parameter ", name, " got no gradient");
    TORCH_CHECK(gradient.scalar_type() == at::kFloat && gradient.sizes() == parameters_.tensors[i].sizes(),
                "the gradient of parameter ", name, " is ", gradient.scalar_type(), " ", gradient.sizes());
    if (!gradient.is_contiguous()) gradient = gradient.contiguous();
    gradients.push_back(gradient);
  }
  return share_.own(gradients);
}

void Moments::update(const std::vector<at::Tensor>& gradients, double learning_rate) {
  ++updates_;
  all_have_loaded();
  for (const auto& [weight_decay, members] : groups_) {
    const auto parameters = pick(own_, members);
    const auto count =
        at::full({}, static_cast<double>(updates_), parameters.front().options().requires_grad(false));
    at::_fused_adamw_(parameters, pick(gradients, members), pick(first_, members), pick(second_, members),
                      /*max_exp_avg_sqs=*/{}, std::vector<at::Tensor>(members.size(), count), learning_rate,
                      beta1_, beta2_, weight_decay, epsilon_, /*amsgrad=*/false, /*maximize=*/false);
  }
  share_.spread(parameters_.tensors);
}

void Moments::scale(double first, double second) {
  if (own_.empty()) return;
  at::_foreach_mul_(first_, first);
  at::_foreach_mul_(second_, second);
}

void Moments::reset() {
  updates_ = 0;
  if (own_.empty()) return;
  at::_foreach_zero_(first_);
  at::_foreach_zero_(second_);
}

void Moments::forget(const std::string& parameter, const at::Tensor& entries) {
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (parameters_.names[share_.members()[i]] != parameter) continue;
    const auto own_entries = share_.own(i, entries);
    for (auto* moments : {&first_, &second_}) (*moments)[i].masked_fill_(own_entries, 0);
  }
}

void Moments::save(std::map<std::string, at::Tensor>& state) const {
  state[kBiasUpdates] = counter_tensor(updates_);
  if (share_.is_all()) {
    for (std::size_t i = 0; i < first_.size(); ++i) {
      state["m." + parameters_.names[i]] = first_[i];
      state["v." + parameters_.names[i]] = second_[i];
    }
    return;
  }
  if (!loaded_.empty()) return state.insert(loaded_.begin(), loaded_.end());
  for (const auto& [prefix, moments] : {std::pair("m.", &first_), std::pair("v.", &second_)}) {
    std::vector<at::Tensor> whole;
    for (const auto& parameter : parameters_.tensors) whole.push_back(at::zeros_like(parameter).detach());
    for (std::size_t i = 0; i < own_.size(); ++i)
      share_.own(i, whole[share_.members()[i]]).copy_((*moments)[i]);
    if (!alone_) share_.spread(whole);
    for (std::size_t i = 0; i < whole.size(); ++i) state[prefix + parameters_.names[i]] = whole[i];
  }
}

void Moments::check(const std::map<std::string, at::Tensor>& state, const std::vector<std::string>& counters,
                    const std::vector<std::string>& others) const {
  std::set<std::string> known(others.begin(), others.end());
  for (std::size_t i = 0; i < parameters_.names.size(); ++i)
    for (const char* moment : {"m.", "v."}) {
      const auto name = moment + parameters_.names[i];
      known.insert(name);
      check_tensor(state, name, at::kFloat, parameters_.tensors[i].sizes());
    }
  auto all_counters = counters;
  all_counters.push_back(kBiasUpdates);
  for (const auto& name : all_counters) {
    known.insert(name);
    check_tensor(state, name, at::kLong, {1});
    if (counter_value(state.at(name)) < 0)
      throw wrong_moment(name, kablate::str("is ", counter_value(state.at(name)), ", below 0"));
  }
  for (const auto& [name, tensor] : state)
    if (!known.contains(name)) throw wrong_moment(name, "does not belong to this optimizer and model");
}

void Moments::load(const std::map<std::string, at::Tensor>& state) {
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const auto& name = parameters_.names[share_.members()[i]];
    first_[i].copy_(share_.own(i, state.at("m." + name)));
    second_[i].copy_(share_.own(i, state.at("v." + name)));
  }
  updates_ = counter_value(state.at(kBiasUpdates));
  alone_ = true, loaded_.clear();
  if (share_.is_all()) return;
  for (const auto& name : parameters_.names)
    for (const char* moment : {"m.", "v."}) loaded_[moment + name] = state.at(moment + name);
}

void Moments::all_have_loaded() { alone_ = false, loaded_.clear(); }

at::Tensor counter_tensor(std::int64_t value) { return at::full({1}, value, at::kLong); }

std::int64_t counter_value(const at::Tensor& tensor) { return tensor.item<std::int64_t>(); }

}  // namespace kablate
