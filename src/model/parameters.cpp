#include "model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"

namespace kablate {

constexpr const char* kHead = "lm_head.weight";

ParameterSet::ParameterSet(ParameterTable table) : table_(std::move(table)) {
  for (const auto& spec : table_.owned) {
    index_[spec.name] = tensors_.size();
    tensors_.push_back(at::zeros(spec.shape, at::kFloat).set_requires_grad(spec.trained));
  }
}

namespace {

// Uniform in ± bound, element i from place i of the stream.
void fill_uniform(std::uint64_t key, double bound, const Tensor& tensor) {
  auto* values = tensor.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = static_cast<float>((2 * random_uniform(key, static_cast<std::uint64_t>(i)) - 1) * bound);
}

}  // namespace

ParameterSet ParameterSet::initialized(ParameterTable table, std::uint64_t seed) {
  ParameterSet set(std::move(table));
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < set.specs().size(); ++i) {
    const auto& spec = set.specs()[i];
    auto& tensor = set.tensors_[i];
    if (spec.deviation > 0) {
      fill_normal(stream_key(seed, "init/" + spec.name), tensor.data_ptr<float>(), tensor.numel());
      tensor.mul_(spec.deviation);
    }
    if (spec.bound > 0) fill_uniform(stream_key(seed, "init/" + spec.name), spec.bound, tensor);
    if (spec.mean != 0) tensor.add_(spec.mean);
  }
  return set;
}

ParameterSet ParameterSet::to(at::Device device, at::ScalarType dtype) const {
  ParameterSet copy = *this;
  for (std::size_t i = 0; i < specs().size(); ++i)
    copy.tensors_[i] = tensors_[i]
                           .detach()
                           .to(device, dtype, /*non_blocking=*/false, /*copy=*/true)
                           .set_requires_grad(specs()[i].trained);
  return copy;
}

ParameterSet ParameterSet::with_maps_in(at::ScalarType type) const {
  ParameterSet copy = *this;
  // A tied head is a map of its own here: the embedding stays as it is.
  if (const auto tied = copy.table_.uses.find(kHead); tied != copy.table_.uses.end()) {
    Parameter head = specs()[index_.at(tied->second)];
    head.name = kHead;
    copy.index_[head.name] = copy.tensors_.size();
    copy.tensors_.push_back(tensors_[index_.at(tied->second)]);
    copy.table_.owned.push_back(std::move(head));
    copy.table_.uses.erase(tied);
  }
  for (std::size_t i = 0; i < copy.tensors_.size(); ++i) {
    const bool embedding = copy.specs()[i].part == Part::kEmbedding && copy.specs()[i].name != kHead;
    if (!embedding && !copy.specs()[i].wide && copy.specs()[i].shape.size() > 1)
      copy.tensors_[i] = copy.tensors_[i].detach().to(type);
  }
  return copy;
}

const Tensor* ParameterSet::find(const std::string& name) const {
  const auto use = table_.uses.find(name);
  const auto found = index_.find(use == table_.uses.end() ? name : use->second);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const Tensor& ParameterSet::operator[](const std::string& name) const {
  const auto* found = find(name);
  TORCH_CHECK(found != nullptr, "no parameter ", name, " in this model");
  return *found;
}

LinearMap ParameterSet::map(const std::string& name) const {
  const auto* bias = find(name + ".bias");
  LinearMap map{(*this)[name + ".weight"], bias == nullptr ? Tensor() : *bias};
  if (const auto found = table_.adapters.find(name); found != table_.adapters.end())
    map.adapter = {(*this)[name + kAdapterDown], (*this)[name + kAdapterUp], found->second.scale,
                   found->second.dropout, name + ".lora"};
  return map;
}

std::map<std::string, Tensor> ParameterSet::by_name() const {
  std::map<std::string, Tensor> named;
  for (std::size_t i = 0; i < specs().size(); ++i) named[specs()[i].name] = tensors_[i];
  return named;
}

}  // namespace kablate
