// Mechanism 3: the MLP's hidden values and the latent keys feed each other (spec, section 3).
#include <algorithm>

#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

// The way from the MLP to the attention leads to the block above.
bool makes_context(const Config& c) { return c.gpt.num_layers > 1; }

std::string unmet(const Config& c) {
  if (!c.attention.latent)
    return "RA_MLA_MLP_LATENT_RECIP = y with ENABLE_RA_MLA = n: latent reciprocity needs the latent keys of "
           "MLA; set one of them the other way";
  const std::int64_t F = c.mlp_width(), L = c.attention.latent_dim;
  if (c.coupler.tying != Tying::kPerHeadScalar || F % L == 0) return "";
  return str(
      "RA_MLA_LATENT_DIM = ", L,
      " with RA_MLA_MLP_TYING_MODE = per_head_scalar: the latent width must divide the MLP's width, here ", F,
      "; choose a divisor or another tying mode");
}

std::vector<const char*> unread(const Config& c) {
  if (c.coupler.tying == Tying::kUntied && makes_context(c)) return {};
  return {"RA_MLA_MLP_LATENT_DIM"};
}

// Where both directions share a map, one of them alone would keep it alive. A block of its own only enriches.
// Without the keys of block 0 and the maps above it, only the context that block 0 hands to block 1 is left;
// of one key, no value changes its weight.
std::vector<MechanismPath> paths(const Config& step) {
  if (step.coupler.tying != Tying::kTiedTranspose || !makes_context(step)) return {};
  Config alone = step;
  alone.gate.enabled = alone.cross.enabled = false;
  MechanismPath enrich{"latent reciprocity, attention to MLP", alone, {}};
  enrich.config.gpt.num_layers = 1;
  if (step.gpt.context == 1) return {enrich};
  const char* keys = step.attention.shared_kv ? "kv_down" : "k_down";
  MechanismPath context{"latent reciprocity, MLP to attention", alone, {}};
  context.zeroed.push_back(str("transformer.h.0.attn.", keys, ".weight"));
  for (std::int64_t i = 1; i < step.gpt.num_layers; ++i)
    context.zeroed.push_back(str("transformer.h.", i, ".mlp.coupler.W"));
  return {enrich, context};
}

}  // namespace

Mechanism coupler_mechanism() {
  return {.name = "recip",
          .title = "latent reciprocity",
          .part = "coupler",
          .switch_symbol = "RA_MLA_MLP_LATENT_RECIP",
          .weight_symbol = "RA_MLA_MLP_RECIP_ALPHA",
          .reciprocal = true,
          .in_mlp = true,
          .symbols = {"RA_MLA_MLP_LATENT_DIM", "RA_MLA_MLP_TYING_MODE"},
          .on = [](const Config& c) { return c.coupler.enabled; },
          .switch_off = [](Config& c) { c.coupler.enabled = false; },
          .weight = [](Config& c) -> double& { return c.coupler.alpha; },
          .unmet = unmet,
          .unread = unread,
          .sees_future = nullptr,
          .selects = nullptr,
          .attach = nullptr,
          .narrow = [](Config& c,
                       std::int64_t most) { c.coupler.bottleneck = std::min(c.coupler.bottleneck, most); },
          .partial_name = [](const Config& c) -> std::string {
            return makes_context(c) ? "" : "recip(attn-to-mlp)";
          },
          .paths = paths};
}

}  // namespace kablate
