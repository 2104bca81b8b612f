// The model's parameters: tensors registered from shape/, found by name. Modules keep handles to them;
// nothing else owns a weight, so that a count, a checkpoint and the optimiser can't disagree with the model.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/dims.h"
#include "shape/parameter.h"

namespace kablate {

class ParameterSet {
 public:
  // Tensors of zeros, float32 on the CPU, that require gradients.
  explicit ParameterSet(std::vector<Parameter> specs);

  // Values drawn from each parameter's own stream, keyed by (seed, name) (spec, section 4).
  static ParameterSet initialized(std::vector<Parameter> specs, std::uint64_t seed);

  // Copies on another device or in another type, as leaves that require gradients.
  ParameterSet to(at::Device device, at::ScalarType dtype) const;

  const Tensor& operator[](const std::string& name) const;  // throws c10::Error naming it if there is none
  const std::vector<Parameter>& specs() const { return specs_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }  // in the order of specs()
  std::map<std::string, Tensor> by_name() const;

 private:
  std::vector<Parameter> specs_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace kablate
