#include "shape/part_shape.h"

namespace kablate {
namespace {

constexpr const char* kCouplerPart = "coupler";

// The last block's MLP makes no context, so it has no map towards the latent space.
void add_untied(const LayerSpec& s, PartShape& shape) {
  const std::string name = s.prefix + "mlp.coupler.";
  const std::int64_t m = s.coupler->bottleneck;
  const auto add = [&](const char* key, std::int64_t out, std::int64_t in) {
    shape.parameters.push_back(linear(name + key, out, in, kLinearDeviation, kCouplerPart));
    shape.flops_per_token += 2.0 * static_cast<double>(out * in);
  };
  add("attn_to_mlp.weight", s.F, s.L);
  if (!s.makes_context) return;
  if (m > 0) add("mlp_down.weight", m, s.F);
  add("mlp_to_attn.weight", s.L_above, m > 0 ? m : s.F);
}

}  // namespace

PartShape coupler_shape(const LayerSpec& s) {
  PartShape shape;
  if (!s.coupler || s.F == 0) return shape;
  shape.activations.recomputes_hidden = true;
  const std::string name = s.prefix + "mlp.coupler.";
  const double directions = s.makes_context ? 2 : 1;
  switch (s.coupler->tying) {
    case Tying::kUntied:
      add_untied(s, shape);
      break;
    case Tying::kTiedTranspose:
      shape.parameters = {linear(name + "W", s.F, s.L, kLinearDeviation, kCouplerPart)};
      shape.flops_per_token = directions * 2.0 * static_cast<double>(s.F * s.L);
      break;
    case Tying::kPerHeadScalar:
      shape.parameters = {constant(name + "alpha_attn_to_mlp", s.H, 1, kCouplerPart)};
      if (s.makes_context)
        shape.parameters.push_back(constant(name + "alpha_mlp_to_attn", s.H, 1, kCouplerPart));
      shape.flops_per_token = directions * 2.0 * static_cast<double>(s.F);
      break;
  }
  return shape;
}

}  // namespace kablate
