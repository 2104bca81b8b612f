// Mechanism 3: the MLP's hidden values and the latent keys feed each other (spec, section 3).
#include <algorithm>

#include "base/text.h"
#include "config/layer_lists.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

std::string unmet_by_coupler(const Config& c) {
  if (!c.attention.latent)
    return "RA_MLA_MLP_LATENT_RECIP = y with ENABLE_RA_MLA = n: latent reciprocity needs the latent keys of "
           "MLA; set one of them the other way";
  if (c.attention.latent_dim.varies() && c.coupler.tying != Tying::kUntied)
    return str(value_of(c, "RA_MLA_LATENT_DIM"), " with ", value_of(c, "RA_MLA_MLP_TYING_MODE"),
               ": one map serves this block's latent and the one above, so they must be as wide; choose one "
               "latent width, or untied");
  const std::int64_t L = c.attention.latent_dim.at(0);
  for (const auto F : c.mlp_widths())
    if (c.coupler.tying == Tying::kPerHeadScalar && F % L != 0)
      return str(
          "RA_MLA_LATENT_DIM = ", L,
          " with RA_MLA_MLP_TYING_MODE = per_head_scalar: the latent width must divide the MLP's width, "
          "here ",
          F, "; choose a divisor or another tying mode");
  return "";
}

std::vector<const char*> unread_by_coupler(const Config& c) {
  if (c.coupler.tying == Tying::kUntied && c.hands_context()) return {};
  return {"RA_MLA_MLP_LATENT_DIM"};
}

// What must be 0 for a block to have keys of 0; empty where nothing does that. A sliced latent is of the
// normed input, where the norm comes first and has parameters.
std::vector<std::string> what_makes_keys(const Config& c) {
  const auto& mla = c.attention;
  if (c.deepseek()) return {"attn.kv_a_layernorm.weight"};
  if (mla.latent_norm) return {mla.shared_kv ? "attn.kv_norm.weight" : "attn.k_norm.weight"};
  // One map of all layers that serves values too can't be 0 in one of them.
  const bool every_value = c.gpt.share_main && mla.shared_kv;
  if (mla.latent_source != LatentSource::kSlice && !every_value) {
    const std::string map = mla.shared_kv ? "attn.kv_down" : "attn.k_down";
    if (c.lora.attention) return {map + ".weight", map + ".lora_B.weight"};
    return {map + ".weight"};
  }
  if (!c.gpt.norm.affine || c.gpt.norm_placement == NormPlacement::kPost) return {};
  return {"ln_1.weight", "ln_1.bias"};
}

// Where both directions share a map, one of them alone would keep it alive. A block of its own only enriches.
// Without the keys of the lowest block with an MLP and the maps above it, only the context that it hands to
// the next is left; of one key, no value changes its weight.
std::vector<MechanismPath> paths(const Config& step) {
  if (step.coupler.tying != Tying::kTiedTranspose || !step.hands_context()) return {};
  Config alone = step;
  alone.gate.enabled = alone.cross.enabled = false;
  std::int64_t lowest = 0;  // with an MLP
  while (step.mlp_width(lowest) == 0) ++lowest;
  const MechanismPath enrich{"latent reciprocity, attention to MLP", one_layer(alone, lowest), {}};
  if (step.gpt.context == 1) return {enrich};
  const auto keys = what_makes_keys(step);
  if (keys.empty()) return {enrich};
  MechanismPath context{"latent reciprocity, MLP to attention", alone, {}};
  for (const auto& name : keys) context.zeroed.push_back(str("transformer.h.", lowest, ".", name));
  for (std::int64_t i = lowest + 1; i < step.gpt.num_layers; ++i)
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
          .unmet = unmet_by_coupler,
          .unread = unread_by_coupler,
          .sees_future = nullptr,
          .selects = nullptr,
          .attach = nullptr,
          .narrow = [](Config& c,
                       std::int64_t most) { c.coupler.bottleneck = std::min(c.coupler.bottleneck, most); },
          .partial_name = [](const Config& c) -> std::string {
            return c.hands_context() ? "" : "recip(attn-to-mlp)";
          },
          .paths = paths};
}

}  // namespace kablate
