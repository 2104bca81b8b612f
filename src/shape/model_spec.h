// What a model is, by value: a configuration resolved, once, into a description of every layer. The model is
// built from it, and the formulas, the decode cache and the gates read it: none of them asks the
// configuration again. Start here in shape/. The letters are those of model/dims.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/model_options.h"

namespace kablate {

struct Config;

// How a model computes, the same in all of its layers.
struct ComputeSpec {
  DType dtype = DType::kFloat32;  // of matrix products, where parameters are float32
  DeviceKind device = DeviceKind::kAuto;
  KernelKind kernels = KernelKind::kAuto;
  double dropout = 0;
  bool padded = false;     // a batch says which positions are padding
  bool recompute = false;  // all of an MLP, in the backward pass
  Limits limits;
  bool operator==(const ComputeSpec&) const = default;
};

// Beside a map W: y = W·x + b + scale·B·A·drop(x), A [rank, in], B [out, rank] (arXiv 2106.09685, section
// 4.1).
struct AdapterSpec {
  std::int64_t rank = 0;  // 0: none
  double scale = 0, dropout = 0;
  bool operator==(const AdapterSpec&) const = default;
};

std::string layer_prefix(std::int64_t index);  // "transformer.h.0."

enum class AttentionKind { kNone, kMultiHead, kLatent, kDeepseek };

struct LayerSpec {
  std::int64_t index = 0;  // 0 is the layer next to the embedding
  std::string prefix;      // of its parameters: "transformer.h.0."
  std::int64_t E = 0, T = 0;
  ComputeSpec compute;
  bool bias = false;              // of norms, the MLP and multi-head attention
  double residual_deviation = 0;  // of the maps that add to the residual stream
  NormPlacement norm_placement = NormPlacement::kPre;
  NormOptions norm;

  AttentionKind attention = AttentionKind::kNone;
  bool causal = true;         // a position attends to none after itself
  std::int64_t H = 0, D = 0;  // heads, and the width of one
  std::int64_t K = 0;         // heads of keys and values: H, or fewer in multi-head attention
  std::int64_t R = 0;         // the last R channels of a head's query and key are rotated; 0: none. MLA has
                              // them beside the D others
  bool qk_norm = false;       // RMSNorm of each head's query and key, before the rotation
  std::int64_t L = 0;         // of latent attention
  std::int64_t L_above = 0;   // of the layer that reads this one's context; 0: there is none
  bool per_head_q_latent = false, per_head_v_up = false;
  bool shared_kv = false;  // one latent serves keys and values
  LatentSource latent_source = LatentSource::kProject;
  bool latent_norm = false;
  std::int64_t q_latent = 0;                    // r, of the deepseek form's queries; 0: from the input
  double latent_scale = 1, q_latent_scale = 1;  // of what the maps up read
  double reciprocal_alpha = 0;                  // 0 is off
  std::int64_t reciprocal_window = 0;

  std::int64_t F = 0;  // 0 is no MLP
  Activation activation = Activation::kGelu;
  // How many different MLPs the heads' channels have, each of F / H units; 0: one MLP of all channels.
  std::int64_t head_mlps = 0;
  bool learned_width = false;  // a gate for each of the F units
  std::int64_t experts = 0;    // MLPs of F units of which a router chooses; 0: one MLP without a router
  std::int64_t chosen = 1;     // of them for a token
  // The layers whose maps this one uses: itself, or a lower one whose tensors it shares.
  std::int64_t attention_owner = 0, mlp_owner = 0;
  AdapterSpec attention_adapter, mlp_adapter;  // of this layer's use of those maps
  bool frozen_base = false;                    // those maps stand still

  std::optional<GateConfig> gate;         // mechanism 1
  std::optional<CrossTokenConfig> cross;  // mechanism 2
  std::optional<CouplerConfig> coupler;   // mechanism 3
  bool receives_context = false;          // a layer below hands it gate and latent context
  bool makes_context = false;             // a layer above reads them

  bool reciprocal_attention() const { return reciprocal_alpha > 0; }
  bool has_latents() const {
    return attention == AttentionKind::kLatent || attention == AttentionKind::kDeepseek;
  }
  std::int64_t query_width() const { return has_latents() ? D + R : D; }  // of a head's query and key
  // Keys that mechanism 3 adds to are not the values' latent any more.
  bool one_latent_cached() const { return shared_kv && !(coupler && receives_context); }
  bool operator==(const LayerSpec&) const = default;
};

struct ModelSpec {
  // What `config` describes. Implicit, since a configuration is one spelling of a model. REQUIRES: validate()
  // accepts it.
  ModelSpec(const Config& config);  // NOLINT(google-explicit-constructor)

  std::int64_t V = 0, E = 0, T = 0;  // T: the longest sequence
  bool bias = false, tie_embeddings = false;
  NormOptions norm;  // of the last norm, as of the layers'
  Positions positions = Positions::kLearned;
  double rope_base = 0;
  bool frozen_base = false;  // embeddings, head and main matrices stand still
  bool causal = true;        // in all layers
  bool critic = false;       // a head that judges tokens
  bool autoencoder = false;  // a decoder says all tokens from the state at the last one
  ComputeSpec compute;
  std::vector<LayerSpec> layers;

  std::int64_t rotary_width() const { return layers.empty() ? 0 : layers.front().R; }  // alike in all layers
  bool operator==(const ModelSpec&) const = default;
};

}  // namespace kablate
