// The table that binds each symbol to its field. Everything that walks a configuration (reading, printing,
// comparing, keys) walks this table, so that a field can't be forgotten in one of them.
#pragma once

#include <limits>
#include <string_view>

#include "config/config.h"
#include "config/settings.h"

namespace kablate {

// What a real number may be; Kconfig has only strings for it.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool least_allowed = true, most_allowed = true;
  bool each = false;  // of every number of a list
};
constexpr Bounds at_least(double least) { return {.least = least}; }
constexpr Bounds above(double least) { return {.least = least, .least_allowed = false}; }
constexpr Bounds from_to(double least, double most) { return {.least = least, .most = most}; }
constexpr Bounds from_to_below(double least, double most) {
  return {.least = least, .most = most, .most_allowed = false};
}
constexpr Bounds above_to(double least, double most) {
  return {.least = least, .most = most, .least_allowed = false};
}

constexpr Bounds between(double least, double most) {
  return {.least = least, .most = most, .least_allowed = false, .most_allowed = false};
}

constexpr Bounds each(Bounds bounds) {
  bounds.each = true;
  return bounds;
}
constexpr Bounds each_whole(double least, double most) { return each(from_to(least, most)); }

// Calls visit(symbol name, field, scope) for bool, int64, string and enum fields and
// visit(symbol name, field, scope, bounds) for real ones and lists of them. `ConfigType` is Config or const
// Config.
// NOLINT(length): one line a symbol
template <typename ConfigType, typename Visitor>
void visit_fields(ConfigType& c, Visitor&& visit) {
  using enum Scope;
  auto& [gpt, attention, mlp, lora, gate, cross, coupler, objective, optim, train, data, run, slurm, limits] =
      c;
  visit("EXPERIMENT_NAME", run.experiment, kHarness);
  visit("ABLATION_PLAN", run.plan, kHarness);
  visit("RA_MLA_ABLATION_MODE", run.ablation, kHarness);
  visit("RA_MLA_ABLATION_STEPS", run.steps, kHarness);
  visit("SEEDS", run.seeds, kHarness);
  visit("PARALLEL_TRIALS", run.parallel_trials, kHarness);
  visit("RANKS", run.ranks, kHarness);  // the number of ranks enters a trial's key by itself
  visit("SHARD_MOMENTS", run.shard_moments, kHarness);
  visit("THREADS", run.threads, kHarness);  // the number that a trial gets enters its key by itself
  visit("DEVICE", run.device, kHarness);    // so does the class of device
  visit("KERNELS", run.kernels, kHarness);  // and what it comes to on this machine
  visit("DTYPE", run.dtype, kNumbers);
  visit("RA_MLA_ALLOW_NONCAUSAL", run.allow_noncausal, kHarness);
  visit("MEASURE_HEADS", run.measure_heads, kHarness);

  visit("SLURM_PARTITION", slurm.partition, kHarness);
  visit("SLURM_ACCOUNT", slurm.account, kHarness);
  visit("SLURM_QOS", slurm.qos, kHarness);
  visit("SLURM_TIME", slurm.time, kHarness);
  visit("SLURM_CPUS", slurm.cpus, kHarness);
  visit("SLURM_GPUS", slurm.gpus, kHarness);
  visit("SLURM_MEMORY", slurm.memory, kHarness);
  visit("SLURM_CONSTRAINT", slurm.constraint, kHarness);
  visit("SLURM_TASKS_AT_ONCE", slurm.at_once, kHarness);
  visit("SLURM_NOTICE", slurm.notice, kHarness);
  visit("SLURM_EXTRA", slurm.extra, kHarness);

  visit("DATASET", data.dataset, kNumbers);
  visit("TOKENIZER", data.tokenizer, kNumbers);
  visit("DATA_PATH", data.path, kHarness);  // the data's hash enters the key
  visit("DATA_SEED", data.seed, kNumbers);
  visit("SYNTHETIC_VOCAB_SIZE", data.synthetic.vocabulary, kNumbers);
  visit("SYNTHETIC_TRAIN", data.synthetic.train, kNumbers);
  visit("SYNTHETIC_TEST", data.synthetic.test, kNumbers);
  visit("MQAR_PAIRS", data.synthetic.pairs, kNumbers);
  visit("SYNTHETIC_NOISE", data.synthetic.noise, kNumbers, from_to_below(0, 1));
  visit("SYNTHETIC_NOISE_VOCAB_SIZE", data.synthetic.noise_vocabulary, kNumbers);
  visit("SYNTHETIC_COPY", data.synthetic.copied, kNumbers);
  visit("SYNTHETIC_MOTIF", data.synthetic.motif, kNumbers);

  visit("GPT2_N_LAYER", gpt.num_layers, kNumbers);
  visit("GPT2_N_HEAD", gpt.num_heads, kNumbers);
  visit("GPT2_N_EMBD", gpt.width, kNumbers);
  visit("GPT2_BLOCK_SIZE", gpt.context, kNumbers);
  visit("GPT2_VOCAB_SIZE", gpt.vocabulary, kNumbers);
  visit("GPT2_DROPOUT", gpt.dropout, kNumbers, from_to_below(0, 1));
  visit("GPT2_BIAS", gpt.bias, kNumbers);
  visit("GPT2_WEIGHT_TYING", gpt.tie_embeddings, kNumbers);
  visit("AUTOENCODER", gpt.autoencoder, kNumbers);
  visit("NORM_PLACEMENT", gpt.norm_placement, kNumbers);
  visit("NORM_KIND", gpt.norm.kind, kNumbers);
  visit("NORM_AFFINE", gpt.norm.affine, kNumbers);
  visit("POSITIONS", gpt.positions, kNumbers);
  visit("ROPE_BASE", gpt.rope_base, kNumbers, above(0));

  visit("MLP_EXPANSION", mlp.expansion, kNumbers, each(from_to(0, 1024)));
  visit("GPT2_ACTIVATION", mlp.activation, kNumbers);
  visit("MLP_SHARE_LAYERS", mlp.share_layers, kNumbers);
  visit("MLP_SHARE_PATTERN", mlp.share_pattern, kNumbers);
  visit("MLP_PER_HEAD", mlp.per_head, kNumbers);
  visit("MLP_SHARE_HEADS", mlp.share_heads, kNumbers);
  visit("MLP_UNSHARE_AT", mlp.unshare_at, kNumbers);
  visit("MLP_LEARNED_WIDTH", mlp.learned_width, kNumbers);
  visit("MLP_WIDTH_PENALTY", mlp.width_penalty, kNumbers, at_least(0));
  visit("MLP_EXPERTS", mlp.experts, kNumbers);
  visit("MLP_EXPERTS_TOP", mlp.experts_top, kNumbers);
  visit("MLP_BALANCE_WEIGHT", mlp.balance_weight, kNumbers, at_least(0));

  visit("SHARE_MAIN_MATRICES", gpt.share_main, kNumbers);
  visit("USE_LORA_ATTN", lora.attention, kNumbers);
  visit("USE_LORA_MLP", lora.mlp, kNumbers);
  visit("LORA_RANK", lora.rank, kNumbers);
  visit("LORA_ALPHA", lora.alpha, kNumbers, above(0));
  visit("LORA_DROPOUT", lora.dropout, kNumbers, from_to_below(0, 1));
  visit("LORA_FREEZE_BASE_AT", lora.freeze_base_at, kNumbers);

  visit("GPT2_ATTENTION", gpt.attention, kNumbers);
  visit("ATTENTION_DIRECTION", attention.direction, kNumbers);
  visit("ENABLE_RA_MLA", attention.latent, kNumbers);
  visit("GPT2_N_KV_HEAD", attention.key_heads, kNumbers);
  visit("QK_NORM", attention.qk_norm, kNumbers);
  visit("RA_MLA_FORM", attention.form, kNumbers);
  visit("RA_MLA_LATENT_DIM", attention.latent_dim, kNumbers, each_whole(1, 1048576));
  visit("RA_MLA_LATENT_SOURCE", attention.latent_source, kNumbers);
  visit("RA_MLA_LATENT_NORM", attention.latent_norm, kNumbers);
  visit("RA_MLA_LATENT_SCALE", attention.latent_scale, kNumbers);
  visit("RA_MLA_Q_LATENT_DIM", attention.q_latent_dim, kNumbers);
  visit("RA_MLA_ROPE_DIM", attention.rope_dim, kNumbers);
  visit("RA_MLA_RA_WINDOW", attention.reciprocal_window, kNumbers);
  visit("RA_MLA_RA_ALPHA", attention.reciprocal_alpha, kNumbers, at_least(0));
  visit("RA_MLA_PER_HEAD_Q_LATENT", attention.per_head_q_latent, kNumbers);
  visit("RA_MLA_PER_HEAD_V_UP", attention.per_head_v_up, kNumbers);
  visit("RA_MLA_SHARED_KV", attention.shared_kv, kNumbers);

  visit("RA_MLA_MLP_ATTN_GATE", gate.enabled, kNumbers);
  visit("RA_MLA_MLP_GATE_ALPHA", gate.alpha, kNumbers, Bounds{});
  visit("RA_MLA_MLP_GATE_DIM", gate.dim, kNumbers);
  visit("RA_MLA_MLP_GATE_POOL", gate.pool, kNumbers);

  visit("RA_MLA_MLP_CROSS_TOKEN", cross.enabled, kNumbers);
  visit("RA_MLA_MLP_CROSS_ALPHA", cross.alpha, kNumbers, Bounds{});
  visit("RA_MLA_MLP_CROSS_RANK", cross.rank, kNumbers);
  visit("RA_MLA_MLP_CROSS_DETACH", cross.detach, kNumbers);
  visit("RA_MLA_MLP_SPARSE_MODE", cross.sparsity, kNumbers);
  visit("RA_MLA_MLP_SPARSE_K", cross.top_k, kNumbers);
  visit("RA_MLA_MLP_SPARSE_RMS_THRESHOLD", cross.rms_threshold, kNumbers, at_least(0));
  visit("RA_MLA_MLP_SPARSE_NORMALIZE", cross.normalize, kNumbers);
  visit("RA_MLA_MLP_SPARSE_HEAD_AVERAGE", cross.head_average, kNumbers);

  visit("RA_MLA_MLP_LATENT_RECIP", coupler.enabled, kNumbers);
  visit("RA_MLA_MLP_RECIP_ALPHA", coupler.alpha, kNumbers, Bounds{});
  visit("RA_MLA_MLP_LATENT_DIM", coupler.bottleneck, kNumbers);
  visit("RA_MLA_MLP_TYING_MODE", coupler.tying, kNumbers);

  visit("OBJECTIVE", objective.kind, kNumbers);
  visit("MASK_RATE", objective.mask_rate, kNumbers, above_to(0, 1));
  visit("MASK_SCHEDULE", objective.schedule, kNumbers);
  visit("CRITIC", objective.critic, kNumbers);
  visit("CRITIC_WEIGHT", objective.critic_weight, kNumbers, at_least(0));

  visit("OPTIMIZER", optim.kind, kNumbers);
  visit("GPT2_LEARNING_RATE", optim.learning_rate, kNumbers, above(0));
  visit("GPT2_MIN_LR", optim.min_learning_rate, kNumbers, at_least(0));
  visit("GPT2_DECAY_LR", optim.decay_learning_rate, kNumbers);
  visit("GPT2_WARMUP_STEPS", optim.warmup_steps, kNumbers);
  visit("GPT2_WEIGHT_DECAY", optim.weight_decay, kNumbers, at_least(0));
  visit("ADAM_DECAY_ALL", optim.decay_all, kNumbers);
  visit("GRAD_CLIP", optim.grad_clip, kNumbers, at_least(0));
  visit("ADAM_BETA1", optim.beta1, kNumbers, from_to_below(0, 1));
  visit("ADAM_BETA2", optim.beta2, kNumbers, from_to_below(0, 1));
  visit("ADAM_EPSILON", optim.epsilon, kNumbers, above(0));
  visit("SPAM_ENABLE_CLIP", optim.spam_clip, kNumbers);
  visit("SPAM_THETA", optim.spam_theta, kNumbers, above(0));
  visit("SPAM_SPIKE_THRESHOLD", optim.spam_spike_threshold, kNumbers, above(0));
  visit("SPAM_PERIODIC_RESET", optim.spam_reset, kNumbers);
  visit("SPAM_INTERVAL", optim.spam_interval, kNumbers);
  visit("SPAM_WARMUP", optim.spam_warmup, kNumbers);
  visit("SPAM_WARMUP_STEPS", optim.spam_warmup_steps, kNumbers);

  visit("PRUNE", optim.prune.kind, kNumbers);
  visit("PRUNE_SPARSITY", optim.prune.sparsity, kNumbers, between(0, 1));
  visit("PRUNE_BEGIN", optim.prune.begin, kNumbers);
  visit("PRUNE_END", optim.prune.end, kNumbers);
  visit("PRUNE_INTERVAL", optim.prune.interval, kNumbers);

  visit("GPT2_MAX_ITERS", train.max_iters, kNumbers);
  visit("GPT2_BATCH_SIZE", train.batch_size, kNumbers);
  visit("GPT2_GRADIENT_ACCUMULATION", train.accumulation, kNumbers);
  visit("GPT2_EVAL_INTERVAL", train.eval_interval, kNumbers);
  visit("GPT2_EVAL_SAMPLES", train.eval_samples, kNumbers);
  visit("GPT2_LOG_INTERVAL", train.log_interval, kNumbers);
  visit("INIT_FROM", train.init_from, kHarness);  // the file's hash enters the key
  visit("RECOMPUTE", train.recompute, kNumbers);  // gradients are summed in another order
}

}  // namespace kablate
