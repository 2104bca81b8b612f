#include "shape/part_shape.h"

namespace kablate {

PartShape mlp_shape(const LayerShape& s) {
  PartShape shape;
  if (s.F == 0) return shape;
  const std::string name = s.prefix + "mlp.";
  shape.parameters.push_back(linear(name + "c_fc.weight", s.F, s.E, kLinearDeviation, Part::kMlp));
  if (s.config.gpt.bias) shape.parameters.push_back(constant(name + "c_fc.bias", s.F, 0, Part::kMlp));
  shape.parameters.push_back(
      linear(name + "c_proj.weight", s.E, s.F, residual_deviation(s.config), Part::kMlp));
  if (s.config.gpt.bias) shape.parameters.push_back(constant(name + "c_proj.bias", s.E, 0, Part::kMlp));
  shape.flops_per_token = 4.0 * static_cast<double>(s.E * s.F);
  return shape;
}

PartShape norms_shape(const LayerShape& s) {
  PartShape shape;
  const bool second = s.config.gpt.norm_placement == NormPlacement::kHybrid;
  const auto add = [&](const char* key) {
    shape.parameters.push_back(constant(s.prefix + key + ".weight", s.E, 1, Part::kNorm));
    if (s.config.gpt.bias)
      shape.parameters.push_back(constant(s.prefix + key + ".bias", s.E, 0, Part::kNorm));
  };
  if (s.config.gpt.attention) {  // without an attention nothing reads its norm, nor without an MLP
    add("ln_1");
    if (second) add("ln_1_post");
  }
  if (s.F == 0) return shape;
  add("ln_2");
  if (second) add("ln_2_post");
  return shape;
}

}  // namespace kablate
