// Mechanism 1: the MLP of a block gates the heads of the block above (spec, section 3).
#include <algorithm>

#include "config/mechanism.h"

namespace kablate {
namespace {

std::string sees_future(const Config& c) {
  if (c.gate.pool != GatePool::kSequence || c.bidirectional()) return "";
  return "RA_MLA_MLP_GATE_POOL = sequence averages over the whole sequence, so a token sees its future: use "
         "causal_mean or token";
}

}  // namespace

Mechanism gate_mechanism() {
  return {
      .name = "gate",
      .title = "MLP-to-attention gate",
      .part = "gate",
      .switch_symbol = "RA_MLA_MLP_ATTN_GATE",
      .weight_symbol = "RA_MLA_MLP_GATE_ALPHA",
      .reciprocal = true,
      .in_mlp = true,
      .symbols = {"RA_MLA_MLP_GATE_DIM", "RA_MLA_MLP_GATE_POOL"},
      .on = [](const Config& c) { return c.gate.enabled; },
      .switch_off = [](Config& c) { c.gate.enabled = false; },
      .weight = [](Config& c) -> double& { return c.gate.alpha; },
      .unmet = [](const Config& c) -> std::string {
        if (c.hands_context()) return "";
        if (c.gpt.num_layers > 1)
          return "RA_MLA_MLP_ATTN_GATE = y with an MLP in the last layer alone (MLP_EXPANSION): a block's "
                 "MLP gates the attention of the block above it, so the gate could not act; give a lower "
                 "layer an MLP or switch it off";
        return "RA_MLA_MLP_ATTN_GATE = y with GPT2_N_LAYER = 1: a block's MLP gates the attention of the "
               "block above it, so the gate could not act; use at least 2 layers or switch it off";
      },
      .unread = [](const Config&) { return std::vector<const char*>{}; },
      .sees_future = sees_future,
      .selects = nullptr,
      .attach = nullptr,
      .narrow = [](Config& c, std::int64_t most) { c.gate.dim = std::min(c.gate.dim, most); },
      .partial_name = nullptr,
      .paths = nullptr};
}

}  // namespace kablate
