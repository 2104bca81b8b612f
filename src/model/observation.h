// What the mechanisms of a block did in one forward pass, for the log of a training: numbers, written by the
// block where the values pass by, only where a Pass asks for them.
#pragma once

#include <optional>

#include "model/dims.h"

namespace kablate {

// A number is empty where its mechanism is off or has no part in this block. u are the MLP's hidden values
// before the addition that a norm is compared with; norms are over all sequences, positions and channels.
struct BlockObservation {
  std::optional<double> gate_mean, gate_sd;  // of the gate that this block makes, over [B, T, H]
  // Over the rows of R in which something was kept, as they were routed: Σ_s R[t,s]·(t-s) / Σ_s R[t,s] in
  // tokens, and the entropy of R[t,s] / Σ_s R[t,s] in nats; means.
  std::optional<double> routing_distance, routing_entropy;
  std::optional<double> cross_relative_norm;   // ‖α_cross·(R·u)·cross_proj‖ / ‖u‖
  std::optional<double> enrich_relative_norm;  // ‖α_recip·enrich‖ / ‖u‖
  std::optional<double> context_relative_norm;  // ‖α_recip·latent context from below‖ / ‖c_k before it‖
};

void observe_gate(const Tensor& gate_BTH, BlockObservation& seen);
void observe_routing(const Tensor& routing, BlockObservation& seen);  // R [..., T, T]

// ‖part‖ / ‖whole‖ in float32 at least.
double relative_norm(const Tensor& part, const Tensor& whole);

}  // namespace kablate
