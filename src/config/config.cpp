#include "config/config.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "config/attention_checks.h"
#include "config/enum_names.h"
#include "config/mechanism.h"
#include "config/pruning.h"
#include "config/settings.h"
#include "config/synthetic.h"

namespace kablate {

void check_mlp(const Config& config);              // mlp.cpp
void check_shared_matrices(const Config& config);  // stages.cpp
void check_stages(const Config& config);           // stages.cpp

namespace {

void check_shapes(const Config& c) {
  const auto& gpt = c.gpt;
  if (gpt.width % gpt.num_heads != 0)
    throw UserError(str("GPT2_N_EMBD = ", gpt.width, " is no multiple of GPT2_N_HEAD = ", gpt.num_heads,
                        ": every head needs the same width; choose a multiple"));
  if (gpt.vocabulary == 0)
    throw UserError(
        "GPT2_VOCAB_SIZE = 0 is as many ids as the data have, and no data are read here; set it to their "
        "number, one more with OBJECTIVE = masked_token");
}

// The mechanisms that are on, by what switches them: "RA_MLA_MLP_ATTN_GATE = y, RA_MLA_RA_ALPHA = 0.5".
std::string switched_on(Config c) {
  std::vector<std::string> parts;
  for (const auto* mechanism : mechanisms_on(c))
    parts.push_back(str(mechanism->on_symbol(), " = ",
                        mechanism->by_weight() ? shortest(mechanism->weight(c)) : std::string("y")));
  return join(parts, ", ");
}

// Every mechanism reads or writes the attention, most of them an MLP too.
void check_mechanisms(const Config& c) {
  for (std::int64_t i = 0; !c.gpt.attention && i < c.gpt.num_layers; ++i)
    if (c.mlp_width(i) == 0)
      throw UserError(str("GPT2_ATTENTION = n with MLP_EXPANSION = 0 in layer ", i,
                          ": nothing is left of that block; give it an attention or an MLP"));
  const auto on = mechanisms_on(c);
  if (!c.gpt.attention && !on.empty())
    throw UserError(
        str("GPT2_ATTENTION = n with ", switched_on(c),
            ": the mechanisms act on the attention or read it; switch them off (n, or a weight of "
            "0), or give the model its attention"));
  for (const auto* mechanism : on) {
    if (mechanism->in_mlp && !c.has_mlp())
      throw UserError(str("MLP_EXPANSION = 0 with ", switched_on(c),
                          ": the mechanisms live in the MLP; switch them off, or give the model an MLP"));
    if (const auto unmet = mechanism->unmet(c); !unmet.empty()) throw UserError(unmet);
  }
}

// A model that sees all of its sequence would copy the next token; one that sees what stands before alone
// can't fill in what is masked.
void check_objective(const Config& c) {
  const bool masked = c.objective.masked();
  if (masked && c.gpt.vocabulary == 1)
    throw UserError(
        "GPT2_VOCAB_SIZE = 1 with OBJECTIVE = masked_token: the mask token takes the one id; allowed: 2 or "
        "more");
  if (masked && !c.bidirectional())
    throw UserError(
        "OBJECTIVE = masked_token with ATTENTION_DIRECTION = causal: what is masked is filled in from both "
        "sides; set ATTENTION_DIRECTION to bidirectional, or OBJECTIVE to next_token");
  if (!masked && c.bidirectional())
    throw UserError(
        "ATTENTION_DIRECTION = bidirectional with OBJECTIVE = next_token: each position would see the token "
        "that it is to predict; set OBJECTIVE to masked_token, or ATTENTION_DIRECTION to causal");
  if (c.objective.critic && !masked)
    throw UserError(
        "CRITIC = y with OBJECTIVE = next_token: it judges tokens that were masked; set CRITIC to n, or "
        "OBJECTIVE to masked_token");
}

// Elsewhere the decoder would be asked for what it reads.
void check_autoencoder(const Config& c) {
  if (!c.gpt.autoencoder || c.data.dataset == DatasetKind::kCompression) return;
  if (c.objective.masked())
    throw UserError(
        "AUTOENCODER = y with OBJECTIVE = masked_token: it says all tokens, masked or not; "
        "set OBJECTIVE to next_token and DATASET to compression, or AUTOENCODER to n");
  throw UserError(
      str("AUTOENCODER = y with DATASET = ", enum_name(c.data.dataset),
          ": its decoder has seen all of a sequence when it says a token of it, so that it can be "
          "asked for no next one; set DATASET to compression, or AUTOENCODER to n"));
}

void check_optimizer(const OptimConfig& optim) {
  if (optim.kind == OptimizerKind::kAdamWSpam && optim.spam_reset && optim.spam_warmup &&
      optim.spam_interval <= optim.spam_warmup_steps)
    throw UserError(str("SPAM_INTERVAL = ", optim.spam_interval,
                        " is not longer than SPAM_WARMUP_STEPS = ", optim.spam_warmup_steps,
                        ": the learning rate would never recover between resets; choose a longer "
                        "interval or a shorter warm-up"));
  if (optim.decay_learning_rate && optim.learning_rate < optim.min_learning_rate)
    throw UserError(str("GPT2_LEARNING_RATE = ", shortest(optim.learning_rate),
                        " is below GPT2_MIN_LR = ", shortest(optim.min_learning_rate),
                        " with GPT2_DECAY_LR = y: the rate would climb to it; allowed: a rate of at least "
                        "GPT2_MIN_LR. Set both, or GPT2_DECAY_LR = n"));
}

void check_ranks(const Config& c) {
  const auto ranks = c.run.ranks;
  if (c.train.accumulation % ranks != 0)
    throw UserError(str("GPT2_GRADIENT_ACCUMULATION = ", c.train.accumulation, " with RANKS = ", ranks,
                        ": each rank takes as many batches of an update as the others; allowed: a multiple "
                        "of RANKS (and GPT2_BATCH_SIZE smaller by as much, for updates as large as before)"));
  if (ranks == 1 && c.run.shard_moments)
    throw UserError(
        "SHARD_MOMENTS = y with RANKS = 1: one rank has nobody to share with; set RANKS above 1, or "
        "SHARD_MOMENTS = n");
}

void add_when(bool condition, std::initializer_list<const char*> names, std::vector<std::string>& out) {
  if (condition) out.insert(out.end(), names.begin(), names.end());
}

}  // namespace

Config one_spelling(Config config) {
  if (config.key_heads() == config.gpt.num_heads) config.attention.key_heads = 0;
  if (config.bidirectional() && config.gate.pool == GatePool::kSequence)  // both are the mean over all
    config.gate.pool = GatePool::kCausalMean;
  return config;
}

void validate_model(const Config& config) {
  check_shapes(config);
  check_mlp(config);
  check_shared_matrices(config);
  check_attention(config);
  check_mechanisms(config);
  check_objective(config);
}

void validate_data(const Config& config) {
  check_autoencoder(config);
  if (config.data.is_synthetic()) check_synthetic(config);
}

void validate(const Config& config) {
  validate_model(config);
  check_stages(config);
  check_optimizer(config.optim);
  check_ranks(config);
  check_pruning(config);
  check_heads_measured(config);
  validate_data(config);
}

double Config::share_said() const {
  if (!data.is_synthetic()) return objective.share_said(gpt.context);
  return labels_per_sequence(*this) / static_cast<double>(gpt.context);
}

double Config::most_said() const {
  return data.is_synthetic() ? share_said() : objective.most_said(gpt.context);
}

std::string blocked_reason(const Config& c) {
  const auto why = why_future_is_seen(c);
  if (why.empty() || c.run.allow_noncausal) return "";
  return why + ", or set RA_MLA_ALLOW_NONCAUSAL = y to measure it all the same";
}

std::string arm_name(const Config& c) {
  if (!c.gpt.attention) return "no-attention";
  std::vector<std::string> reciprocal, others;
  std::size_t of_the_ladder = 0;
  for (const auto& mechanism : mechanisms()) {
    of_the_ladder += mechanism.reciprocal;
    if (!mechanism.on(c)) continue;
    const std::string partial = mechanism.partial_name == nullptr ? "" : mechanism.partial_name(c);
    (mechanism.reciprocal ? reciprocal : others).push_back(partial.empty() ? mechanism.name : partial);
  }
  std::vector<std::string> parts;
  if (!c.attention.latent) parts.push_back("mha");
  if (reciprocal.size() == of_the_ladder) reciprocal = {"all"};
  parts.insert(parts.end(), reciprocal.begin(), reciprocal.end());
  if (parts.empty()) parts.push_back("mla");
  parts.insert(parts.end(), others.begin(), others.end());
  return join(parts, "+");
}

std::vector<std::string> unused_symbols(const Config& c) {
  std::vector<std::string> names;
  const bool multi_head = c.gpt.attention && !c.attention.latent;
  const bool norms_have_biases = c.gpt.norm.affine && c.gpt.norm.kind == NormKind::kLayerNorm;
  add_when(!norms_have_biases && !multi_head && !c.has_mlp() && !c.gpt.autoencoder, {"GPT2_BIAS"}, names);
  const auto unread_by_attention = unused_attention_symbols(c);
  names.insert(names.end(), unread_by_attention.begin(), unread_by_attention.end());
  for (const auto& mechanism : mechanisms()) {
    const bool on = mechanism.on(c);
    if (!on && !mechanism.by_weight()) names.push_back(mechanism.weight_symbol);
    const auto unread = on ? mechanism.unread(c) : mechanism.symbols;
    names.insert(names.end(), unread.begin(), unread.end());
  }
  add_when(!c.has_mlp(), {"GPT2_ACTIVATION", "RECOMPUTE"}, names);
  // Where one MLP serves all layers, or each has its own, both patterns say the same.
  add_when(c.mlp.share_layers == 1 || c.mlp.share_layers == c.gpt.num_layers, {"MLP_SHARE_PATTERN"}, names);
  add_when(!c.mlp.per_head, {"MLP_SHARE_HEADS"}, names);
  add_when(!c.mlp.learned_width, {"MLP_WIDTH_PENALTY"}, names);
  add_when(!c.mlp.routed(), {"MLP_EXPERTS_TOP"}, names);
  add_when(!c.mlp.selects(), {"MLP_BALANCE_WEIGHT"}, names);
  // Its files say what made the tokens; lines are characters; what is made from a seed is ids.
  const auto dataset = c.data.dataset;
  add_when(dataset == DatasetKind::kBin || dataset == DatasetKind::kLines || c.data.is_synthetic(),
           {"TOKENIZER"}, names);
  add_when(!c.data.is_synthetic(), {"SYNTHETIC_VOCAB_SIZE", "SYNTHETIC_TRAIN", "SYNTHETIC_TEST"}, names);
  add_when(dataset != DatasetKind::kMqar, {"MQAR_PAIRS"}, names);
  add_when(dataset != DatasetKind::kNoisyRecall, {"SYNTHETIC_NOISE", "SYNTHETIC_NOISE_VOCAB_SIZE"}, names);
  add_when(dataset != DatasetKind::kSelectiveCopy, {"SYNTHETIC_COPY"}, names);
  add_when(dataset != DatasetKind::kFuzzyRecall, {"SYNTHETIC_MOTIF"}, names);
  add_when(!c.lora.on(), {"LORA_RANK", "LORA_ALPHA", "LORA_DROPOUT"}, names);
  add_when(!c.objective.masked(), {"MASK_SCHEDULE"}, names);
  add_when(!c.objective.masked() || c.objective.schedule == MaskSchedule::kUniform, {"MASK_RATE"}, names);
  add_when(!c.objective.critic, {"CRITIC_WEIGHT"}, names);
  const auto& optim = c.optim;
  const bool spam = optim.kind == OptimizerKind::kAdamWSpam;
  add_when(!spam, {"SPAM_ENABLE_CLIP", "SPAM_SPIKE_THRESHOLD", "SPAM_PERIODIC_RESET"}, names);
  add_when(!spam || !optim.spam_clip, {"SPAM_THETA"}, names);
  add_when(!spam || !optim.spam_reset, {"SPAM_INTERVAL", "SPAM_WARMUP"}, names);
  add_when(!spam || !optim.spam_reset || !optim.spam_warmup, {"SPAM_WARMUP_STEPS"}, names);
  add_when(!optim.decay_learning_rate, {"GPT2_MIN_LR"}, names);
  add_when(!optim.prune.on(), {"PRUNE_SPARSITY", "PRUNE_BEGIN", "PRUNE_END", "PRUNE_INTERVAL"}, names);
  std::vector<std::string> in_order;
  for (const auto& symbol : symbols())
    if (std::find(names.begin(), names.end(), symbol.name) != names.end()) in_order.push_back(symbol.name);
  return in_order;
}

}  // namespace kablate
