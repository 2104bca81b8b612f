// The most bytes of tensors alive at once in a training iteration, added up from what autograd keeps.
//
// Weights and two moments stay. Forward, each layer leaves behind what its backward will read ("kept");
// backward walks down from the head, frees a layer's kept tensors, and leaves gradients behind. The peak is
// at the head, in some layer or in the optimizer. A layer's own peak is at its MLP (all of the layer still
// there, values as wide as F in flight) or at its attention (the MLP gone, scores in flight). Where the MLP
// is recomputed some sequences at a time, its forward pass, of all, may be more. Counts are per token; the
// model's code decides them, so tests/cli compares them with the allocator's.
#include <algorithm>
#include <set>
#include <string>

#include "config/config.h"
#include "shape/model_shape.h"
#include "shape/part_shape.h"
#include "shape/policy.h"

namespace kablate {
namespace {

struct LayerBytes {
  ActivationBytes activations;
  double weights_kept = 0;  // copies of the layer's maps in the computing type
  double map_passing = 0;   // gradients of the largest map in flight
  double gradients = 0;
};

// `met`: what the backward pass has met already in the layers above. The gradient of a tensor that they share
// is there then, and another one in flight until it is added.
LayerBytes layer_bytes(const LayerSpec& s, std::set<std::string>& met) {
  LayerBytes bytes;
  const double value = value_bytes(s.compute);
  double largest = 0, largest_met = 0;
  for (const auto& part : layer_parts(s)) {
    bytes.activations += part.activations;
    for (const auto& parameter : part.parameters) {
      const auto count = static_cast<double>(parameter.count());
      const auto owned = layer_prefix(owner_of(s, parameter)) + parameter.name.substr(s.prefix.size());
      if (met.insert(owned).second)
        bytes.gradients += parameter.trained ? kFloatBytes * count : 0;
      else
        largest_met = std::max(largest_met, count);
      largest = std::max(largest, count);
      if (value < kFloatBytes && parameter.part != Part::kNorm) bytes.weights_kept += value * count;
    }
  }
  if (bytes.activations.recomputes_hidden)
    bytes.activations.mlp_recomputed += value * static_cast<double>(s.F);  // u
  bytes.map_passing = std::max(largest * (value < kFloatBytes ? value : 0), largest_met * kFloatBytes);
  return bytes;
}

// Tokens of the sequences whose values are recomputed at once.
std::int64_t recomputed_at_once(const ModelSpec& model, std::int64_t B) {
  const auto pieces = recompute_pieces(B, model.T, model.compute.limits.recomputed_rows);
  return (B + pieces - 1) / pieces * model.T;
}

// What the head and the loss have in flight over the N of `read` tokens of which anything is said, beside
// copies of the weights: the logarithms of the probabilities, their gradient and that of the logits in
// float32. In pieces (model/loss.h), the logits of one and their logarithms, the gradients that are made
// beside them, and the weight once more.
double head_bytes(const ModelSpec& model, std::int64_t read, std::int64_t N) {
  const auto rows = head_rows(N, model.V, model.compute.limits);
  const double tokens = static_cast<double>(N), value = value_bytes(model.compute),
               E = static_cast<double>(model.E), V = static_cast<double>(model.V);
  const double input = static_cast<double>(read) * norm_kept_bytes(model.layers.front()) +
                       (N < read ? tokens * value * E : 0);  // those that were taken out
  if (rows == N) return input + tokens * V * 3 * kFloatBytes;
  const double copied = value < kFloatBytes ? value : 0;
  return input + static_cast<double>(rows) * V * (2 * kFloatBytes + copied) + tokens * value * E +
         ((model.frozen_base ? 0 : kFloatBytes) + value) * V * E;
}

// Of pruning: which entries are 0, a byte each, and in flight the scores of the largest map, in float64.
struct PruningBytes {
  double masks = 0, selecting = 0;
};

PruningBytes pruning_bytes(const Config& config) {
  PruningBytes bytes;
  if (!config.optim.prune.on()) return bytes;
  for (const auto& parameter : model_parameters(config)) {
    if (!parameter.prunable()) continue;
    const auto count = static_cast<double>(parameter.count());
    bytes.masks += count;
    bytes.selecting = std::max(bytes.selecting, sizeof(double) * count);
  }
  return bytes;
}

// What holds all gradients all along: where pieces are added up; and the buckets that ranks sum, which take
// the place of each as soon as it is complete.
int gradient_holders(const Config& config) {
  const auto ranks = config.run.ranks;
  return (config.train.accumulation / ranks > 1) + (ranks > 1);
}

}  // namespace

std::int64_t peak_tensor_bytes(const Config& config) {
  const ModelSpec model(config);
  const auto B = config.train.batch_size, N = B * model.T;
  const double tokens = static_cast<double>(N), at_once = static_cast<double>(recomputed_at_once(model, B));
  const double value = value_bytes(model.compute), E = static_cast<double>(model.E),
               V = static_cast<double>(model.V);
  const double weights = kFloatBytes * static_cast<double>(parameter_count(model)),
               trained = kFloatBytes * static_cast<double>(trained_parameter_count(model));
  const int holders = gradient_holders(config);
  const double moments = 2 * trained / static_cast<double>(config.run.shard_moments ? config.run.ranks : 1);

  std::vector<LayerBytes> layers;  // from the top
  std::set<std::string> met;
  double kept = model.compute.dropout > 0 ? tokens * kFloatBytes * E : 0;  // the mask of the embeddings
  if (model.compute.padded) kept += tokens * value * static_cast<double>(model.T);  // what says what is seen
  for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer) {
    layers.push_back(layer_bytes(*layer, met));
    const auto& [activations, weights_kept, map_passing, gradients] = layers.back();
    kept += tokens * (activations.attention_kept + activations.mlp_kept) + weights_kept;
  }
  const PartShape decoder = autoencoder_shape(model);
  double decoder_kept = tokens * decoder.activations.mlp_kept, of_decoder = 0;  // its gradients
  for (const auto& parameter : decoder.parameters) {
    const auto count = static_cast<double>(parameter.count());
    of_decoder += parameter.trained ? kFloatBytes * count : 0;
    if (value < kFloatBytes && parameter.part != Part::kNorm) decoder_kept += value * count;
  }
  kept += decoder_kept;
  const auto [masks, selecting] = pruning_bytes(config);
  const double stays = weights + moments + holders * trained + masks;
  const double copied = value < kFloatBytes ? value * V * E : 0;

  const auto said = static_cast<std::int64_t>(tokens * config.most_said());
  // The pass that a critic reads keeps as much again, and is done with first.
  const double of_critic = model.critic ? kept + tokens * norm_kept_bytes(model.layers.front()) : 0;
  kept += of_critic;
  double peak = stays + kept + copied + head_bytes(model, N, said);
  const double of_embedding = holders > 0 || model.frozen_base ? 0 : kFloatBytes * V * E;
  double gradients = of_embedding + (holders > 0 ? 0 : of_decoder);
  kept -= decoder_kept;
  for (const auto& layer : layers) {
    const ActivationBytes& in = layer.activations;
    const double forward = stays + kept + tokens * in.mlp_forward;
    const double at_mlp =
        stays + gradients + kept + tokens * in.mlp_passing + at_once * in.mlp_recomputed + layer.map_passing;
    kept -= tokens * in.mlp_kept;
    gradients += holders > 0 ? 0 : layer.gradients;
    const double at_attention = stays + gradients + kept + tokens * in.attention_passing;
    kept -= tokens * in.attention_kept + layer.weights_kept;
    peak = std::max({peak, forward, at_mlp, at_attention});
  }
  // What the critic's pass has left behind stands beside the other pass's values and its loss.
  if (model.critic)
    peak = std::max(peak, stays + gradients + of_critic + copied + head_bytes(model, N, said));
  // The embedding's gradient, before it is added; and after the update what is pruned by.
  const double at_end = weights + moments + trained + masks + std::max(of_embedding, selecting);
  // Ranks that share the moments have all of them while they save.
  const double saving = config.run.shard_moments ? stays + 2 * trained : 0;
  return static_cast<std::int64_t>(std::max({peak, at_end, saving}));
}

}  // namespace kablate
