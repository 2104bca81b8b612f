// Options of a model, by value: enums, and a small struct a mechanism. What model_spec.h puts into a layer
// stands here and not in config.h, so that a symbol of training or data recompiles no file of the model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kablate {

enum class Tying { kTiedTranspose, kUntied, kPerHeadScalar };
enum class Sparsity { kTopK, kNone, kRms };
enum class GatePool { kCausalMean, kToken, kSequence };
enum class NormPlacement { kPre, kPost, kHybrid };
enum class NormKind { kLayerNorm, kRmsNorm };
enum class MlaForm { kLatent, kDeepseek };
enum class LatentSource { kProject, kSlice, kFrozen };
enum class Direction { kCausal, kBidirectional };
enum class Positions { kLearned, kRotary, kNone };
enum class Activation { kGelu, kGeluTanh, kRelu2, kSwiglu };
enum class SharePattern { kAdjacent, kCyclic };
enum class DeviceKind { kAuto, kCpu, kCuda };
enum class KernelKind { kAuto, kPortable, kAvx2, kAvx512 };
enum class DType { kFloat32, kBFloat16 };

// From which sizes on the program does the same thing a part at a time, for the sake of memory
// (shape/policy.h). No symbol sets them: they are a part of the program, and gates and tests lower them so
// that a small model goes the ways of a large one.
struct Limits {
  std::int64_t recomputed_rows = 2048;          // positions whose values are recomputed at once, at least
  std::int64_t logits = std::int64_t{1} << 24;  // made at once, at most
  std::int64_t logit_rows = 1024;               // where they would be more: of so many positions at once
  bool operator==(const Limits&) const = default;
};

struct NormOptions {  // of all ln_* norms
  NormKind kind = NormKind::kLayerNorm;
  bool affine = true;  // with a weight, and a bias where the model has biases and the kind has one
  bool operator==(const NormOptions&) const = default;
};

// One value for all layers, or one for each. Of a list that is too short, which validate() refuses, the last
// stands for the layers that it lacks.
template <typename Number>
struct PerLayer {
  std::vector<Number> values = {Number{}};

  Number at(std::int64_t layer) const {
    return values[std::min(static_cast<std::size_t>(layer), values.size() - 1)];
  }
  bool varies() const {
    return std::any_of(values.begin(), values.end(), [&](const Number& value) { return value != values[0]; });
  }
  bool operator==(const PerLayer&) const = default;
};

struct MlpConfig {
  PerLayer<double> expansion;  // F over E; 0 is none
  Activation activation = Activation::kGelu;
  std::int64_t share_layers = 1;  // layers that have one MLP
  SharePattern share_pattern = SharePattern::kAdjacent;
  bool per_head = false;         // an MLP for the channels of each head
  std::int64_t share_heads = 1;  // heads that have one of those
  std::int64_t unshare_at = 0;   // the update before which layers get copies of their own; 0 is never
  bool learned_width = false;    // a gate for each unit
  double width_penalty = 0;      // of the gates' mean, in the loss
  std::int64_t experts = 0;      // MLPs of each layer, of which a router chooses; 0 is one for all tokens
  std::int64_t experts_top = 1;  // how many it chooses for a token
  double balance_weight = 0;     // of how unevenly it does, in the loss
  bool routed() const { return experts > 0; }
  bool selects() const { return experts > experts_top; }  // so that a rounding can change what is chosen
  bool operator==(const MlpConfig&) const = default;
};

struct LoraConfig {  // adapters of low rank beside linear maps (arXiv 2106.09685)
  bool attention = false, mlp = false;
  std::int64_t rank = 0;
  double alpha = 0, dropout = 0;    // times alpha / rank; of what the adapters read
  std::int64_t freeze_base_at = 0;  // the update from which the maps beside them stand still; 0 is never
  bool on() const { return attention || mlp; }
  bool operator==(const LoraConfig&) const = default;
};

struct GateConfig {  // mechanism 1, MLP to attention
  bool enabled = false;
  double alpha = 0;
  std::int64_t dim = 0;
  GatePool pool = GatePool::kCausalMean;
  bool operator==(const GateConfig&) const = default;
};

struct CrossTokenConfig {  // mechanism 2, aggregation over tokens by the attention's rows
  bool enabled = false;
  double alpha = 0;
  std::int64_t rank = 0;  // 0 is a full map
  Sparsity sparsity = Sparsity::kTopK;
  std::int64_t top_k = 0;
  double rms_threshold = 0;
  bool normalize = false, head_average = false, detach = false;
  bool operator==(const CrossTokenConfig&) const = default;
};

struct CouplerConfig {  // mechanism 3, latent reciprocity
  bool enabled = false;
  double alpha = 0;
  std::int64_t bottleneck = 0;  // 0 is none; for Tying::kUntied
  Tying tying = Tying::kTiedTranspose;
  bool operator==(const CouplerConfig&) const = default;
};

}  // namespace kablate
