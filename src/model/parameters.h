// The model's parameters: tensors registered from shape/, found by name. Modules keep handles to them;
// nothing else owns a weight, so that a count, a checkpoint and the optimiser can't disagree with the model.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/dims.h"
#include "model/linear.h"
#include "shape/parameter.h"

namespace kablate {

class ParameterSet {
 public:
  // Tensors of zeros for what the table owns, float32 on the CPU; those that are trained require gradients.
  explicit ParameterSet(ParameterTable table);

  // Values drawn from each parameter's own stream, keyed by (seed, name) (spec, section 4).
  static ParameterSet initialized(ParameterTable table, std::uint64_t seed);

  // Copies on another device or in another type, as leaves that require gradients where these do.
  ParameterSet to(at::Device device, at::ScalarType dtype) const;

  // For passes without gradients that compute in `type`: maps are cast once, here, and not in every pass.
  // What a pass reads in float32 (embeddings, vectors, routers) stays. The passes' bits are the same.
  ParameterSet with_maps_in(at::ScalarType type) const;

  // The owned tensor behind a name or a use of it. Throws c10::Error naming it if there is none.
  const Tensor& operator[](const std::string& name) const;
  // `name`.weight, `name`.bias where there is one, and the adapter that stands beside them.
  LinearMap map(const std::string& name) const;

  const std::vector<Parameter>& specs() const { return table_.owned; }
  const std::map<std::string, std::string>& uses() const { return table_.uses; }
  const std::vector<Tensor>& tensors() const { return tensors_; }  // in the order of specs()
  std::map<std::string, Tensor> by_name() const;                   // owned ones

 private:
  const Tensor* find(const std::string& name) const;  // null if there is none

  ParameterTable table_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace kablate
