#include "config/config.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

void check_shapes(const Config& c) {
  const auto& gpt = c.gpt;
  if (gpt.width % gpt.num_heads != 0)
    throw UserError(str("GPT2_N_EMBD = ", gpt.width, " is no multiple of GPT2_N_HEAD = ", gpt.num_heads,
                        ": every head needs the same width; choose a multiple"));
  if (gpt.mlp_expansion > 0 && c.mlp_width() == 0)
    throw UserError(str("MLP_EXPANSION = ", gpt.mlp_expansion, " of GPT2_N_EMBD = ", gpt.width,
                        " rounds to an MLP of width 0: allowed: 0 for none, or at least ", 0.5 / gpt.width));
}

// Every mechanism reads or writes the attention.
void check_without_attention(const Config& c) {
  if (c.gpt.attention) return;
  if (c.mlp_width() == 0)
    throw UserError(
        "GPT2_ATTENTION = n with MLP_EXPANSION = 0: nothing is left of a block; give it an attention or an "
        "MLP");
  if (c.gate.enabled || c.cross.enabled || c.coupler.enabled || c.attention.reciprocal_alpha > 0)
    throw UserError(
        "GPT2_ATTENTION = n: the mechanisms act on the attention or read it; switch off "
        "RA_MLA_MLP_ATTN_GATE, RA_MLA_MLP_CROSS_TOKEN and RA_MLA_MLP_LATENT_RECIP and set RA_MLA_RA_ALPHA "
        "to 0, or give the model its attention");
}

void check_mechanisms(const Config& c) {
  check_without_attention(c);
  const bool any = c.gate.enabled || c.cross.enabled || c.coupler.enabled;
  if (any && c.mlp_width() == 0)
    throw UserError(
        "MLP_EXPANSION = 0: the mechanisms live in the MLP; switch off RA_MLA_MLP_ATTN_GATE, "
        "RA_MLA_MLP_CROSS_TOKEN and "
        "RA_MLA_MLP_LATENT_RECIP, or give the model an MLP");
  if (c.coupler.enabled && !c.attention.latent)
    throw UserError(
        "RA_MLA_MLP_LATENT_RECIP = y with ENABLE_RA_MLA = n: latent reciprocity needs the latent keys of "
        "MLA; set one of "
        "them the other way");
  if (c.attention.reciprocal_alpha > 0 && !c.attention.latent)
    throw UserError(
        str("RA_MLA_RA_ALPHA = ", c.attention.reciprocal_alpha,
            " with ENABLE_RA_MLA = n: reciprocal attention needs MLA; set RA_MLA_RA_ALPHA to 0 or "
            "ENABLE_RA_MLA to y"));
  if (c.gate.enabled && c.gpt.num_layers == 1)
    throw UserError(
        "RA_MLA_MLP_ATTN_GATE = y with GPT2_N_LAYER = 1: a block's MLP gates the attention of the block "
        "above it, so the "
        "gate could not act; use at least 2 layers or switch it off");
  const std::int64_t F = c.mlp_width(), L = c.attention.latent_dim;
  if (c.coupler.enabled && c.coupler.tying == Tying::kPerHeadScalar && F % L != 0)
    throw UserError(str("RA_MLA_LATENT_DIM = ", L,
                        " with RA_MLA_MLP_TYING_MODE = per_head_scalar: the latent width must "
                        "divide the MLP's width, here ",
                        F, "; choose a divisor or another tying mode"));
  if (c.cross.enabled && !c.cross.head_average && F % c.gpt.num_heads != 0)
    throw UserError(str("GPT2_N_HEAD = ", c.gpt.num_heads,
                        " with RA_MLA_MLP_SPARSE_HEAD_AVERAGE = n: the number of heads "
                        "must divide the MLP's width, here ",
                        F, "; choose a divisor or average the heads"));
}

void check_optimizer(const OptimConfig& optim) {
  if (optim.kind == OptimizerKind::kAdamWSpam && optim.spam_reset && optim.spam_warmup &&
      optim.spam_interval <= optim.spam_warmup_steps)
    throw UserError(str("SPAM_INTERVAL = ", optim.spam_interval,
                        " is not longer than SPAM_WARMUP_STEPS = ", optim.spam_warmup_steps,
                        ": the learning rate would never recover between resets; choose a longer "
                        "interval or a shorter warm-up"));
}

void add_when(bool condition, std::initializer_list<const char*> names, std::vector<std::string>& out) {
  if (condition) out.insert(out.end(), names.begin(), names.end());
}

}  // namespace

std::int64_t Config::mlp_width() const {
  return static_cast<std::int64_t>(std::llround(gpt.mlp_expansion * static_cast<double>(gpt.width)));
}

void validate(const Config& config) {
  check_shapes(config);
  check_mechanisms(config);
  check_optimizer(config.optim);
}

std::string blocked_reason(const Config& c) {
  if (!c.gate.enabled || c.gate.pool != GatePool::kSequence || c.run.allow_noncausal) return "";
  return "RA_MLA_MLP_GATE_POOL = sequence averages over the whole sequence, so a token sees its future: use "
         "causal_mean "
         "or token, or set RA_MLA_ALLOW_NONCAUSAL = y to measure it all the same";
}

std::string arm_name(const Config& c) {
  if (!c.gpt.attention) return "no-attention";
  const bool recip_only_enriches = c.coupler.enabled && c.gpt.num_layers == 1;
  std::vector<std::string> parts;
  if (!c.attention.latent) parts.push_back("mha");
  if (c.gate.enabled && c.cross.enabled && c.coupler.enabled) {
    parts.push_back("all");
  } else {
    if (c.gate.enabled) parts.push_back("gate");
    if (c.cross.enabled) parts.push_back("cross");
    if (c.coupler.enabled) parts.push_back(recip_only_enriches ? "recip(attn-to-mlp)" : "recip");
  }
  if (parts.empty()) parts.push_back("mla");
  std::string name = join(parts, "+");
  if (c.reciprocal_attention()) name += "+ra";
  return name;
}

std::vector<std::string> unused_symbols(const Config& c) {
  std::vector<std::string> names;
  const auto& cross = c.cross;
  add_when(!c.gpt.attention, {"GPT2_N_HEAD", "ENABLE_RA_MLA"}, names);
  add_when(!c.gpt.attention || !c.attention.latent,
           {"RA_MLA_LATENT_DIM", "RA_MLA_PER_HEAD_Q_LATENT", "RA_MLA_PER_HEAD_V_UP", "RA_MLA_SHARED_KV"},
           names);
  add_when(!c.reciprocal_attention(), {"RA_MLA_RA_WINDOW"}, names);
  add_when(!c.gate.enabled, {"RA_MLA_MLP_GATE_ALPHA", "RA_MLA_MLP_GATE_DIM", "RA_MLA_MLP_GATE_POOL"}, names);
  add_when(!cross.enabled,
           {"RA_MLA_MLP_CROSS_ALPHA", "RA_MLA_MLP_CROSS_RANK", "RA_MLA_MLP_CROSS_DETACH",
            "RA_MLA_MLP_SPARSE_MODE", "RA_MLA_MLP_SPARSE_HEAD_AVERAGE"},
           names);
  add_when(!cross.enabled || cross.sparsity != Sparsity::kTopK, {"RA_MLA_MLP_SPARSE_K"}, names);
  add_when(!cross.enabled || cross.sparsity != Sparsity::kRms, {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD"}, names);
  add_when(!cross.enabled || cross.sparsity == Sparsity::kNone, {"RA_MLA_MLP_SPARSE_NORMALIZE"}, names);
  add_when(!c.coupler.enabled, {"RA_MLA_MLP_RECIP_ALPHA", "RA_MLA_MLP_TYING_MODE"}, names);
  add_when(!c.coupler.enabled || c.coupler.tying != Tying::kUntied || c.gpt.num_layers == 1,
           {"RA_MLA_MLP_LATENT_DIM"}, names);
  add_when(c.mlp_width() == 0, {"GPT2_ACTIVATION", "RECOMPUTE"}, names);
  const auto& optim = c.optim;
  const bool spam = optim.kind == OptimizerKind::kAdamWSpam;
  add_when(!spam, {"SPAM_ENABLE_CLIP", "SPAM_SPIKE_THRESHOLD", "SPAM_PERIODIC_RESET"}, names);
  add_when(!spam || !optim.spam_clip, {"SPAM_THETA"}, names);
  add_when(!spam || !optim.spam_reset, {"SPAM_INTERVAL", "SPAM_WARMUP"}, names);
  add_when(!spam || !optim.spam_reset || !optim.spam_warmup, {"SPAM_WARMUP_STEPS"}, names);
  add_when(!optim.decay_learning_rate, {"GPT2_MIN_LR"}, names);
  return names;
}

}  // namespace kablate
