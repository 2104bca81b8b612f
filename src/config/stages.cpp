// Matrices that all layers share, adapters beside them, and what a model becomes while it trains: layers that
// part from one another, maps that stand still.
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/layer_lists.h"
#include "config/mechanism.h"

namespace kablate {

void check_shared_matrices(const Config& config);  // of validate_model
void check_stages(const Config& config);           // of validate

Config unshared(Config config) {
  config.mlp.share_layers = 1;
  config.mlp.unshare_at = 0;
  return config;
}

Config at_update(Config config, std::int64_t update) {
  const auto parts = config.mlp.unshare_at;
  if (parts > 0 && update >= parts) config = unshared(std::move(config));
  auto& freezes = config.lora.freeze_base_at;
  if (freezes > 1) freezes = update >= freezes ? 1 : 0;  // from update 1 on: from the start
  config.mlp.unshare_at = 0;
  return config;
}

namespace {

void check_main_matrices(const Config& c) {
  if (!c.gpt.share_main) return;
  constexpr const char* kShared = " with SHARE_MAIN_MATRICES = y: ";
  if (c.gpt.num_layers == 1)
    throw UserError(
        str("GPT2_N_LAYER = 1", kShared,
            "there is no other layer to share with; set SHARE_MAIN_MATRICES to n, or give the model "
            "more layers"));
  if (c.mlp.share_layers > 1)
    throw UserError(str("MLP_SHARE_LAYERS = ", c.mlp.share_layers, kShared,
                        "all layers have one MLP then; set one of them to ", "1 or n"));
  if (c.mlp.expansion.varies())
    throw UserError(str(value_of(c, "MLP_EXPANSION"), kShared,
                        "all layers have one MLP, so they need one expansion; give one number, or share "
                        "otherwise"));
  if (c.gpt.attention && c.attention.latent && c.attention.latent_dim.varies())
    throw UserError(str(value_of(c, "RA_MLA_LATENT_DIM"), kShared,
                        "all layers have one attention's maps, so they need one width; give one number"));
}

void check_adapters(const Config& c) {
  if (c.lora.attention && !c.gpt.attention)
    throw UserError(
        "USE_LORA_ATTN = y with GPT2_ATTENTION = n: there are no maps to adapt; set USE_LORA_ATTN to n, or "
        "give the model its attention");
  if (!c.lora.mlp) return;
  if (!c.has_mlp())
    throw UserError(
        "USE_LORA_MLP = y with MLP_EXPANSION = 0: there are no maps to adapt; set USE_LORA_MLP to n, or give "
        "the model an MLP");
  if (c.mlp.per_head)
    throw UserError(
        "USE_LORA_MLP = y with MLP_PER_HEAD = y: adapters stand beside maps of all channels alone; set one "
        "of them to n");
}

// Whether anything has parameters beside what LORA_FREEZE_BASE_AT freezes.
bool has_other_parameters(const Config& c) {
  const bool latent_norms =
      c.gpt.attention && c.attention.latent && (c.deepseek() || c.attention.latent_norm);
  bool others = c.gpt.norm.affine || c.lora.on() || c.mlp.learned_width || latent_norms ||
                (c.mlp.routed() && c.has_mlp()) || c.objective.critic;
  for (const auto* mechanism : mechanisms_on(c)) others = others || *mechanism->part != '\0';
  return others;
}

// An update that a symbol names, of those that there are.
void check_update(const Config& c, const char* symbol, std::int64_t update) {
  if (update > c.train.max_iters)
    throw UserError(str(symbol, " = ", update, " with GPT2_MAX_ITERS = ", c.train.max_iters,
                        ": there is no such update; allowed: 0 for never, or an update from 1 to ",
                        c.train.max_iters));
}

}  // namespace

void check_shared_matrices(const Config& config) {
  check_main_matrices(config);
  check_adapters(config);
  if (config.lora.freeze_base_at > 0 && !has_other_parameters(config))
    throw UserError(
        str("LORA_FREEZE_BASE_AT = ", config.lora.freeze_base_at,
            ": nothing is left to train: the model has no adapters and no norms with parameters; set "
            "it to 0, or USE_LORA_ATTN or USE_LORA_MLP to y"));
}

void check_stages(const Config& config) {
  check_update(config, "MLP_UNSHARE_AT", config.mlp.unshare_at);
  check_update(config, "LORA_FREEZE_BASE_AT", config.lora.freeze_base_at);
  const auto parts = config.mlp.unshare_at, freezes = config.lora.freeze_base_at;
  if (parts > 0 && freezes > 0 && parts >= freezes)
    throw UserError(str("MLP_UNSHARE_AT = ", parts, " with LORA_FREEZE_BASE_AT = ", freezes,
                        ": copies that stand still never part from one another; let layers part before that "
                        "update, or set one of them to 0"));
}

}  // namespace kablate
