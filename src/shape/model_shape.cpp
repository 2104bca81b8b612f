#include "shape/model_shape.h"

#include "config/config.h"
#include "config/mechanism.h"
#include "shape/part_shape.h"

namespace kablate {
namespace {

// Maps that a layer shares stand under the lowest layer that uses them; the layer's own names are uses.
void add_part(const LayerSpec& layer, const PartShape& part, ParameterTable& table) {
  for (const auto& parameter : part.parameters) {
    if (part.adapter.rank > 0 && parameter.adaptable)
      table.adapters[map_name(parameter.name)] = {part.adapter.scale, part.adapter.dropout};
    const auto owner = owner_of(layer, parameter);
    if (owner == layer.index)
      table.owned.push_back(parameter);
    else
      table.uses[parameter.name] = layer_prefix(owner) + parameter.name.substr(layer.prefix.size());
  }
}

template <typename Visit>
void for_each_part(const ModelSpec& model, Visit visit) {
  for (const auto& layer : model.layers)
    for (const auto& part : layer_parts(layer)) visit(part);
  visit(autoencoder_shape(model));
}

}  // namespace

ParameterTable model_parameters(const ModelSpec& model) {
  constexpr const char *kEmbedding = "transformer.wte.weight", *kHead = "lm_head.weight";
  ParameterTable table;
  auto& all = table.owned;
  const auto add = [&](const char* name, std::int64_t rows, const char* part) {
    all.push_back(linear(name, rows, model.E, kLinearDeviation, part));
    all.back().trained = !model.frozen_base;
  };
  add(kEmbedding, model.V, Part::kEmbedding);
  if (model.positions == Positions::kLearned) add("transformer.wpe.weight", model.T, Part::kEmbedding);
  for (const auto& layer : model.layers)
    for (const auto& part : layer_parts(layer)) add_part(layer, part, table);
  for (const auto& parameter : autoencoder_shape(model).parameters) all.push_back(parameter);
  for (const auto& parameter : norm_parameters("transformer.ln_f", model.E, model.norm, model.bias))
    all.push_back(parameter);
  if (model.tie_embeddings)
    table.uses[kHead] = kEmbedding;
  else
    add(kHead, model.V, Part::kHead);
  if (model.critic) {
    all.push_back(linear("critic.weight", 1, model.E, kLinearDeviation, Part::kHead));
    all.push_back(constant("critic.bias", 1, 0, Part::kHead));
  }
  return table;
}

std::int64_t parameter_count(const ModelSpec& model) {
  std::int64_t total = 0;
  for (const auto& parameter : model_parameters(model)) total += parameter.count();
  return total;
}

std::int64_t trained_parameter_count(const ModelSpec& model) {
  std::int64_t total = 0;
  for (const auto& parameter : model_parameters(model))
    if (parameter.trained) total += parameter.count();
  return total;
}

std::int64_t active_parameter_count(const ModelSpec& model) {
  std::int64_t total = 0;
  for (const auto& parameter : model_parameters(model))
    if (parameter.active) total += parameter.count();
  return total;
}

std::map<std::string, std::int64_t> parameters_by_part(const ModelSpec& model) {
  std::map<std::string, std::int64_t> counts;
  for (const auto* part : {Part::kEmbedding, Part::kAttention, Part::kMlp, Part::kNorm, Part::kHead})
    counts[part] = 0;
  for (const auto& mechanism : mechanisms())
    if (*mechanism.part != '\0') counts[mechanism.part] = 0;
  for (const auto& parameter : model_parameters(model)) counts[parameter.part] += parameter.count();
  return counts;
}

double flops_per_iteration(const Config& config) {
  const ModelSpec model(config);
  double blocks = 0;
  for_each_part(model, [&](const PartShape& part) { blocks += part.flops_per_token; });
  const double head = 2.0 * static_cast<double>(model.E * model.V) * config.share_said();
  double forward = head + blocks;
  // Of what was filled in; and the head once more, for the draws, which have no gradient.
  if (model.critic) forward += blocks + 2.0 * static_cast<double>(model.E) + head / 3;
  return 3.0 * forward * static_cast<double>(config.tokens_per_iteration());
}

double flops_per_iteration_nanogpt(const Config& config) {
  const ModelSpec model(config);
  const auto places = model.positions == Positions::kLearned ? model.T * model.E : 0;
  const auto params = static_cast<double>(active_parameter_count(model) - places);
  const auto pairs = 12.0 * static_cast<double>(std::ssize(model.layers) * model.E * model.T);
  return (6.0 * params + pairs) * static_cast<double>(config.tokens_per_iteration());
}

std::int64_t decode_cache_bytes_per_token(const ModelSpec& model) {
  if (!model.causal || model.autoencoder) return 0;
  std::int64_t values = 0;
  for_each_part(model, [&](const PartShape& part) { values += part.cache_values_per_token; });
  return values * static_cast<std::int64_t>(value_bytes(model.compute));
}

std::int64_t decode_cache_bytes_fixed(const ModelSpec& model) {
  if (!model.causal || model.autoencoder) return 0;
  std::int64_t values = 0;
  for_each_part(model, [&](const PartShape& part) { values += part.cache_values_fixed; });
  return values * static_cast<std::int64_t>(value_bytes(model.compute));
}

}  // namespace kablate
