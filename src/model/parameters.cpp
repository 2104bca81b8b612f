#include "model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"

namespace kablate {

ParameterSet::ParameterSet(std::vector<Parameter> specs) : specs_(std::move(specs)) {
  for (const auto& spec : specs_) {
    index_[spec.name] = tensors_.size();
    tensors_.push_back(at::zeros(spec.shape, at::kFloat).set_requires_grad(true));
  }
}

ParameterSet ParameterSet::initialized(std::vector<Parameter> specs, std::uint64_t seed) {
  ParameterSet set(std::move(specs));
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < set.specs_.size(); ++i) {
    const auto& spec = set.specs_[i];
    auto& tensor = set.tensors_[i];
    if (spec.deviation > 0) {
      fill_normal(stream_key(seed, "init/" + spec.name), tensor.data_ptr<float>(), tensor.numel());
      tensor.mul_(spec.deviation);
    }
    if (spec.mean != 0) tensor.add_(spec.mean);
  }
  return set;
}

ParameterSet ParameterSet::to(at::Device device, at::ScalarType dtype) const {
  ParameterSet copy = *this;
  for (auto& tensor : copy.tensors_)
    tensor = tensor.detach().to(device, dtype, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(true);
  return copy;
}

const Tensor& ParameterSet::operator[](const std::string& name) const {
  const auto found = index_.find(name);
  TORCH_CHECK(found != index_.end(), "no parameter ", name, " in this model");
  return tensors_[found->second];
}

std::map<std::string, Tensor> ParameterSet::by_name() const {
  std::map<std::string, Tensor> named;
  for (std::size_t i = 0; i < specs_.size(); ++i) named[specs_[i].name] = tensors_[i];
  return named;
}

}  // namespace kablate
