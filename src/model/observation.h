// What the mechanisms of a block did in one forward pass, for the log of a training: numbers, written where
// the values pass by, only where a Pass asks for them.
#pragma once

#include <map>
#include <string>

#include "model/dims.h"

namespace kablate {

// By name (record/FORMAT.md, MECHANISMS); nothing stands here of a mechanism that is off or has no part in
// the block. u are the MLP's hidden values before the addition that a norm is compared with; norms are over
// all sequences, positions and channels.
//   gate_mean, gate_sd                 of the gate that this block makes, over [B, T, H]
//   routing_distance, routing_entropy  over the rows of R in which something was kept, as they were routed:
//                                      Σ_s R[t,s]·(t-s) / Σ_s R[t,s] in tokens, and the entropy of
//                                      R[t,s] / Σ_s R[t,s] in nats; means
//   cross_relative_norm                ‖α_cross·(R·u)·cross_proj‖ / ‖u‖
//   enrich_relative_norm               ‖α_recip·enrich‖ / ‖u‖
//   expert_load_0, expert_load_1 …     of its experts: their shares of the choices, which sum to 1
//   context_relative_norm              ‖α_recip·latent context from below‖ / ‖c_k before it‖
using BlockObservation = std::map<std::string, double>;

void observe_gate(const Tensor& gate_BTH, BlockObservation& seen);
void observe_routing(const Tensor& routing, BlockObservation& seen);  // R [..., T, T]

void observe_loads(const Tensor& loads_n, BlockObservation& seen);  // of the block's experts

// ‖part‖ / ‖whole‖ in float32 at least.
double relative_norm(const Tensor& part, const Tensor& whole);

}  // namespace kablate
