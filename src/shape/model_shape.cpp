#include "shape/model_shape.h"

#include "shape/part_shape.h"

namespace kablate {
namespace {

void append(std::vector<Parameter>& out, const std::vector<Parameter>& more) {
  out.insert(out.end(), more.begin(), more.end());
}

std::vector<PartShape> layer_parts(const LayerShape& s) {
  return {norms_shape(s), attention_shape(s),   mlp_shape(s),
          gate_shape(s),  cross_token_shape(s), coupler_shape(s)};
}

template <typename Visit>
void for_each_part(const Config& config, Visit visit) {
  for (std::int64_t i = 0; i < config.gpt.num_layers; ++i)
    for (const auto& part : layer_parts(layer_shape(config, i))) visit(part);
}

std::int64_t dtype_bytes(const Config& config) { return config.run.dtype == DType::kFloat32 ? 4 : 2; }

}  // namespace

std::vector<Parameter> model_parameters(const Config& config) {
  const auto& gpt = config.gpt;
  std::vector<Parameter> all{
      linear("transformer.wte.weight", gpt.vocabulary, gpt.width, kLinearDeviation, Part::kEmbedding),
      linear("transformer.wpe.weight", gpt.context, gpt.width, kLinearDeviation, Part::kEmbedding)};
  for_each_part(config, [&](const PartShape& part) { append(all, part.parameters); });
  all.push_back(constant("transformer.ln_f.weight", gpt.width, 1, Part::kNorm));
  if (gpt.bias) all.push_back(constant("transformer.ln_f.bias", gpt.width, 0, Part::kNorm));
  if (!gpt.tie_embeddings)
    all.push_back(linear("lm_head.weight", gpt.vocabulary, gpt.width, kLinearDeviation, Part::kHead));
  return all;
}

std::int64_t parameter_count(const Config& config) {
  std::int64_t total = 0;
  for (const auto& parameter : model_parameters(config)) total += parameter.count();
  return total;
}

std::map<std::string, std::int64_t> parameters_by_part(const Config& config) {
  std::map<std::string, std::int64_t> counts;
  for (int part = 0; part <= static_cast<int>(Part::kHead); ++part)
    counts[part_name(static_cast<Part>(part))] = 0;
  for (const auto& parameter : model_parameters(config))
    counts[part_name(parameter.part)] += parameter.count();
  return counts;
}

double flops_per_iteration(const Config& config) {
  double forward = 2.0 * static_cast<double>(config.gpt.width * config.gpt.vocabulary);  // the output head
  for_each_part(config, [&](const PartShape& part) { forward += part.flops_per_token; });
  return 3.0 * forward * static_cast<double>(config.tokens_per_iteration());
}

double flops_per_iteration_nanogpt(const Config& config) {
  const auto& gpt = config.gpt;
  const auto params = static_cast<double>(parameter_count(config) - gpt.context * gpt.width);
  const auto pairs = 12.0 * static_cast<double>(gpt.num_layers * gpt.width * gpt.context);
  return (6.0 * params + pairs) * static_cast<double>(config.tokens_per_iteration());
}

std::int64_t decode_cache_bytes_per_token(const Config& config) {
  std::int64_t values = 0;
  for_each_part(config, [&](const PartShape& part) { values += part.cache_values_per_token; });
  return values * dtype_bytes(config);
}

std::int64_t decode_cache_bytes_fixed(const Config& config) {
  std::int64_t values = 0;
  for_each_part(config, [&](const PartShape& part) { values += part.cache_values_fixed; });
  return values * dtype_bytes(config);
}

}  // namespace kablate
