// What a run is, typed: every field is bound to one symbol of the Kconfig menu by the table in binding.h.
// Values are as configured; what is written 0 and derived stands in the functions at the end. A header that
// only passes a Config on declares it (`struct Config;`), and one that needs some options includes theirs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/cluster_options.h"
#include "config/data_options.h"
#include "config/model_options.h"
#include "config/objective_options.h"
#include "config/optim_options.h"

namespace kablate {

struct GptConfig {
  std::int64_t num_layers = 0, num_heads = 0, width = 0, context = 0, vocabulary = 0;
  double dropout = 0;
  bool bias = false, tie_embeddings = false;
  bool autoencoder = false;  // a decoder says all tokens from the state at the last one
  bool attention = true;     // false: blocks of an MLP alone
  bool share_main = false;   // all layers have one attention's and one MLP's maps
  NormPlacement norm_placement = NormPlacement::kPre;
  NormOptions norm;
  Positions positions = Positions::kLearned;
  double rope_base = 0;  // of rotary positions
};

struct AttentionConfig {
  Direction direction = Direction::kCausal;  // which positions a position attends to
  bool latent = false;                       // multi-head latent attention; false is multi-head attention
  PerLayer<std::int64_t> latent_dim;         // L
  std::int64_t reciprocal_window = 0;
  double reciprocal_alpha = 0;  // 0 is off
  bool per_head_q_latent = false, per_head_v_up = false, shared_kv = false;
  MlaForm form = MlaForm::kLatent;
  LatentSource latent_source = LatentSource::kProject;
  bool latent_norm = false, latent_scale = false;
  std::int64_t rope_dim = 0;      // of latent attention's rotary part, 0 is none
  std::int64_t q_latent_dim = 0;  // of the deepseek form's queries, 0 is none
  std::int64_t key_heads = 0;     // of multi-head attention's keys and values; 0: as many as of queries
  bool qk_norm = false;
};

struct TrainConfig {
  std::int64_t max_iters = 0, batch_size = 0, accumulation = 0;
  std::int64_t eval_interval = 0, eval_samples = 0, log_interval = 0;
  bool recompute = false;  // the MLPs' values, in the backward pass
  std::string init_from;   // a file of the weights to start from; "": drawn
};

struct RunConfig {
  std::string experiment, plan, steps, seeds;
  bool ablation = false, allow_noncausal = false;
  bool measure_heads = false;  // of finished trials
  DeviceKind device = DeviceKind::kAuto;
  KernelKind kernels = KernelKind::kAuto;
  DType dtype = DType::kFloat32;
  std::int64_t threads = 0, parallel_trials = 0;  // 0 is chosen by the runner
  std::int64_t ranks = 1;                         // processes of a trial
  bool shard_moments = false;                     // each of these keeps its share of the optimizer's moments
};

struct Config {
  GptConfig gpt;
  AttentionConfig attention;
  MlpConfig mlp;
  LoraConfig lora;
  GateConfig gate;
  CrossTokenConfig cross;
  CouplerConfig coupler;
  ObjectiveConfig objective;
  OptimConfig optim;
  TrainConfig train;
  DataConfig data;
  RunConfig run;
  SlurmOptions slurm;
  Limits limits;  // no symbol's

  std::int64_t head_dim() const { return gpt.width / gpt.num_heads; }  // D
  std::int64_t mlp_width(std::int64_t layer) const;                    // F; 0 is no MLP
  std::vector<std::int64_t> mlp_widths() const;                        // of those there are
  bool has_mlp() const { return !mlp_widths().empty(); }
  bool hands_context() const;                        // some layer below another has an MLP
  std::int64_t mlp_owner(std::int64_t layer) const;  // the lowest layer that has the same MLP
  std::int64_t attention_owner(std::int64_t layer) const { return gpt.share_main ? 0 : layer; }
  std::int64_t global_batch() const { return train.batch_size * train.accumulation; }  // sequences an update
  std::int64_t tokens_per_iteration() const { return global_batch() * gpt.context; }
  std::int64_t key_heads() const {
    return attention.key_heads > 0 ? attention.key_heads : gpt.num_heads;
  }  // K
  // Of all positions the share, on average, whose logits training asks for: those that were masked or are
  // labelled (config/synthetic.h), or all. `most`: in any batch, but for chance.
  double share_said() const;
  double most_said() const;
  bool drops() const { return gpt.dropout > 0 || (lora.on() && lora.dropout > 0); }  // in training
  bool bidirectional() const { return attention.direction == Direction::kBidirectional; }
  bool deepseek() const { return attention.latent && attention.form == MlaForm::kDeepseek; }
  bool reciprocal_attention() const { return attention.latent && attention.reciprocal_alpha > 0; }
};

// The same run with what two values say said by one: GPT2_N_KV_HEAD of all heads is 0. (field_values() folds
// lists of equal numbers.) Arms are told apart by it, and keys made of it.
Config one_spelling(Config config);

// The model that layers share no MLP in any more: what MLP_UNSHARE_AT leaves.
Config unshared(Config config);

// The model that update `update` trains, counted from 1: what MLP_UNSHARE_AT and LORA_FREEZE_BASE_AT have
// made of it by then. Frozen maps are those of LORA_FREEZE_BASE_AT = 1, which stand still from the start.
Config at_update(Config config, std::int64_t update);

// What the symbols that may be a list say of these layers, in this order; nothing else changes.
Config with_values_of_layers(Config config, const std::vector<std::int64_t>& layers);

// A model of this layer alone.
Config one_layer(Config config, std::int64_t layer);

// The shortest decimal, as MLP_EXPANSION, that gives an MLP of `width` units, well clear of a half, so that
// nothing depends on how it is rounded. `exactly`: that is the width, as an MLP for each head needs it.
std::string expansion_text(std::int64_t width, std::int64_t embedding, bool exactly = false);

// Checks the combination (spec, sections 1 to 3 and 8). Throws UserError naming the symbols, their values and
// what is allowed. A single value's own range was checked when it was set.
void validate(const Config& config);
void validate_model(const Config& config);  // the part of it that says what a model is
void validate_data(const Config& config);   // and what data such a model can be asked about

// Why an arm can't be trained honestly although its configuration is valid ("" if it can): pooling over the
// whole sequence lets a token see its future, unless RA_MLA_ALLOW_NONCAUSAL says that this is wanted.
std::string blocked_reason(const Config& config);

// "mla", "gate+cross", "all", "mha": the arm's name, from its switches (spec, section 7).
std::string arm_name(const Config& config);

std::string dtype_name(DType dtype);  // "float32", "bfloat16"

// The symbols that nothing reads under this configuration, in the menu's order.
std::vector<std::string> unused_symbols(const Config& config);

}  // namespace kablate
