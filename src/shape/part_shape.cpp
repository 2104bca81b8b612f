#include "shape/part_shape.h"

#include <cmath>

namespace kablate {

const char* part_name(Part part) {
  constexpr const char* kNames[] = {"embedding", "attention",   "mlp",     "norm",
                                    "gate",      "cross_token", "coupler", "head"};
  return kNames[static_cast<int>(part)];
}

LayerShape layer_shape(const Config& c, std::int64_t index) {
  return {.config = c,
          .index = index,
          .E = c.gpt.width,
          .H = c.gpt.num_heads,
          .D = c.head_dim(),
          .L = c.attention.latent_dim,
          .F = c.mlp_width(),
          .T = c.gpt.context,
          .receives_context = index > 0,
          .makes_context = index + 1 < c.gpt.num_layers,
          .prefix = "transformer.h." + std::to_string(index) + "."};
}

double residual_deviation(const Config& config) {
  return kLinearDeviation / std::sqrt(2.0 * static_cast<double>(config.gpt.num_layers));
}

Parameter linear(const std::string& name, std::int64_t out, std::int64_t in, double deviation, Part part) {
  return {.name = name, .shape = {out, in}, .mean = 0, .deviation = deviation, .part = part};
}

Parameter constant(const std::string& name, std::int64_t size, double value, Part part) {
  return {.name = name, .shape = {size}, .mean = value, .deviation = 0, .part = part};
}

}  // namespace kablate
