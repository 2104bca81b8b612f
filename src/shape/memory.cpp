// The most bytes of tensors alive at once in a training iteration, added up from what autograd keeps.
//
// Weights and two moments stay. Forward, each layer leaves behind what its backward will read ("kept");
// backward walks down from the head, frees a layer's kept tensors, and leaves gradients behind. The peak is
// at the head, in some layer or in the optimizer. A layer's own peak is at its MLP (all of the layer still
// there, values as wide as F in flight) or at its attention (the MLP gone, scores in flight). Counts are per
// token; the model's code decides them, so tests/cli compares them with the allocator's.
#include <algorithm>

#include "shape/model_shape.h"
#include "shape/part_shape.h"

namespace kablate {
namespace {

constexpr double kFloat = 4;  // bytes: statistics, softmax, the residual stream, weights

struct LayerBytes {
  double mlp_kept = 0, mlp_passing = 0;              // a token
  double attention_kept = 0, attention_passing = 0;  // a token
  double mlp_remaking = 0;  // in flight too, but of some sequences alone (model/recompute.h)
  double weights_kept = 0;  // copies of the layer's maps in the computing type
  double map_passing = 0;   // gradients of the largest map in flight
  double gradients = 0;
};

double value_bytes(const Config& config) { return config.run.dtype == DType::kFloat32 ? 4 : 2; }

// Whether attention goes through the kernels (model/kernel/fused_attention.h), on a CPU that has them: they
// keep logarithmic sums where the written-out form keeps P.
bool by_kernels(const LayerShape& s) {
  constexpr std::int64_t kMostHeadWidth = 256;
  const bool pairs = s.config.run.dtype == DType::kFloat32 || s.D % 2 == 0;
  const bool drops = s.config.gpt.dropout == 0 || drops_in_kernels(s.H, s.T);
  return s.config.run.device != DeviceKind::kCuda && pairs && drops && s.D <= kMostHeadWidth;
}

// Input and statistics of a norm, and its output as the next map's input.
double norm_kept(const LayerShape& s, double value) {
  return kFloat * static_cast<double>(s.E) + 2 * kFloat + value * static_cast<double>(s.E);
}

void add_attention(const LayerShape& s, LayerBytes& bytes) {
  const Config& c = s.config;
  if (!c.gpt.attention) return;
  const double value = value_bytes(c), pairs = static_cast<double>(s.H * s.T), E = static_cast<double>(s.E);
  const bool copies = value < kFloat;  // P stands there in float32 and in the computing type
  const bool kernels = by_kernels(s), rows_by_head = c.cross.enabled && !c.cross.head_average;
  const double rows = rows_by_head ? pairs * kFloat : 0;
  bytes.attention_kept =
      norm_kept(s, value) + 4 * value * E +
      (kernels ? kFloat * static_cast<double>(s.H) + rows : pairs * (kFloat + (copies ? value : 0)));
  if (c.attention.latent) {
    const double latents = c.attention.shared_kv && !(c.coupler.enabled && s.receives_context) ? 1 : 2;
    bytes.attention_kept += latents * value * static_cast<double>(s.L);
  }
  if (c.gate.enabled && s.receives_context) bytes.attention_kept += value * 2 * static_cast<double>(s.H);
  if (c.gpt.dropout > 0 && !kernels) bytes.attention_kept += pairs * 2 * kFloat;  // mask and product
  if (kernels) {
    bytes.attention_passing = rows + 4 * value * E + kFloat * E;
    return;
  }
  bytes.attention_passing = pairs * (2 * kFloat + (copies ? value : 0)) + 2 * kFloat * E;
  if (c.reciprocal_attention()) bytes.attention_passing += pairs * kFloat;
}

void add_cross_token(const LayerShape& s, LayerBytes& bytes) {
  const auto& cross = s.config.cross;
  const double value = value_bytes(s.config), F = static_cast<double>(s.F);
  const double row = static_cast<double>(cross.head_average ? s.T : s.H * s.T);
  const double mapped = cross.rank > 0 ? static_cast<double>(cross.rank) : F;
  (s.config.train.recompute ? bytes.mlp_remaking : bytes.mlp_passing) += value * mapped;  // the map's input
  bytes.mlp_remaking += value * mapped;                                                   // its gradient
  if (routes_by_entries(cross) && by_kernels(s)) {
    const double entries = static_cast<double>(std::min(cross.top_k, s.T));
    bytes.mlp_kept += 2 * kFloat * entries;  // and their columns
    bytes.mlp_passing += kFloat * entries;
    return;
  }
  // Without averaging the rows are P, which attention has kept already.
  if (cross.head_average && by_kernels(s)) bytes.mlp_kept += row * kFloat;
  bytes.mlp_passing += row * kFloat;
  bytes.mlp_remaking += row * (2 * kFloat + value);
  if (cross.sparsity != Sparsity::kNone) bytes.mlp_remaking += row * kFloat * (cross.normalize ? 3 : 2);
}

void add_mlp(const LayerShape& s, LayerBytes& bytes) {
  const Config& c = s.config;
  const double value = value_bytes(c), F = static_cast<double>(s.F);
  if (s.F == 0) return;
  // Before and after the activation, or after the mechanisms; what lies between is made again.
  bytes.mlp_kept = norm_kept(s, value) + 2 * value * F;
  bytes.mlp_passing = 2 * value * F + 2 * kFloat * static_cast<double>(s.E);
  if (c.coupler.enabled || c.cross.enabled) bytes.mlp_remaking = value * F;  // u
  if (c.cross.enabled) add_cross_token(s, bytes);
  if (c.gate.enabled && s.makes_context)
    bytes.mlp_kept += static_cast<double>(c.gate.dim) * value + value * static_cast<double>(s.H);
  if (c.train.recompute) {
    bytes.mlp_kept -= 2 * value * F;
    bytes.mlp_remaking += 4 * value * F;
    bytes.mlp_passing -= 2 * value * F;
  }
  if (c.gpt.dropout > 0) bytes.mlp_kept += 2 * value * static_cast<double>(s.E);  // both parts' masks
}

LayerBytes layer_bytes(const Config& config, std::int64_t index) {
  const LayerShape s = layer_shape(config, index);
  LayerBytes bytes;
  add_attention(s, bytes);
  add_mlp(s, bytes);
  const double value = value_bytes(config);
  double largest = 0;
  for (const auto& part : {norms_shape(s), attention_shape(s), mlp_shape(s), gate_shape(s),
                           cross_token_shape(s), coupler_shape(s)})
    for (const auto& parameter : part.parameters) {
      const auto count = static_cast<double>(parameter.count());
      bytes.gradients += kFloat * count;
      largest = std::max(largest, count);
      if (value < kFloat && parameter.part != Part::kNorm) bytes.weights_kept += value * count;
    }
  bytes.map_passing = largest * (value < kFloat ? value : 0);
  return bytes;
}

// Tokens of the sequences that are made again at once.
std::int64_t remade_at_once(const Config& config) {
  const auto B = config.train.batch_size, T = config.gpt.context, pieces = remade_pieces(B, T);
  return (B + pieces - 1) / pieces * T;
}

// What the head and the loss have in flight, beside copies of the weights: the logarithms of the
// probabilities, their gradient and that of the logits in float32. In pieces (model/loss.h), the logits of
// one and their logarithms, the gradients that are made beside them, and the weight once more.
double head_bytes(const Config& config) {
  const auto N = config.train.batch_size * config.gpt.context, rows = head_rows(N, config.gpt.vocabulary);
  const double tokens = static_cast<double>(N), value = value_bytes(config),
               E = static_cast<double>(config.gpt.width), V = static_cast<double>(config.gpt.vocabulary);
  const double input = tokens * norm_kept(layer_shape(config, 0), value);
  if (rows == N) return input + tokens * V * 3 * kFloat;
  const double copied = value < kFloat ? value : 0;
  return input + static_cast<double>(rows) * V * (2 * kFloat + copied) + tokens * value * E +
         (kFloat + value) * V * E;
}

}  // namespace

std::int64_t peak_tensor_bytes(const Config& config) {
  const double tokens = static_cast<double>(config.train.batch_size * config.gpt.context);
  const double value = value_bytes(config), E = static_cast<double>(config.gpt.width),
               V = static_cast<double>(config.gpt.vocabulary);
  const double weights = kFloat * static_cast<double>(parameter_count(config));
  const bool accumulates = config.train.accumulation > 1;

  const double at_once = static_cast<double>(remade_at_once(config));
  std::vector<LayerBytes> layers;
  double kept = config.gpt.dropout > 0 ? tokens * kFloat * E : 0;  // the mask of the embeddings
  for (std::int64_t i = 0; i < config.gpt.num_layers; ++i) {
    layers.push_back(layer_bytes(config, i));
    kept += tokens * (layers[i].attention_kept + layers[i].mlp_kept) + layers[i].weights_kept;
  }
  const double stays = 3 * weights + (accumulates ? weights : 0);
  const double copied = value < kFloat ? value * V * E : 0;

  const double head = stays + kept + copied + head_bytes(config);
  double peak = head;
  double gradients = accumulates ? 0 : kFloat * V * E;
  for (std::int64_t i = config.gpt.num_layers - 1; i >= 0; --i) {
    const LayerBytes& layer = layers[i];
    const double at_mlp = stays + gradients + kept + tokens * layer.mlp_passing +
                          at_once * layer.mlp_remaking + layer.map_passing;
    kept -= tokens * layer.mlp_kept;
    gradients += accumulates ? 0 : layer.gradients;
    const double at_attention = stays + gradients + kept + tokens * layer.attention_passing;
    kept -= tokens * layer.attention_kept + layer.weights_kept;
    peak = std::max({peak, at_mlp, at_attention});
  }
  const double at_end =
      4 * weights + (accumulates ? 0 : kFloat * V * E);  // the embedding's gradient, before it is added
  return static_cast<std::int64_t>(std::max(peak, at_end));
}

}  // namespace kablate
