#include "train/mechanism_log.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>

#include "config/mechanism.h"
#include "data/batch.h"

namespace kablate {
namespace {

Json to_json(const BlockObservation& seen) {
  Json json = Json::object();
  const auto put = [&](const char* key, const std::optional<double>& value) {
    if (value) json[key] = *value;
  };
  put("gate_mean", seen.gate_mean);
  put("gate_sd", seen.gate_sd);
  put("routing_distance", seen.routing_distance);
  put("routing_entropy", seen.routing_entropy);
  put("cross_relative_norm", seen.cross_relative_norm);
  put("enrich_relative_norm", seen.enrich_relative_norm);
  put("context_relative_norm", seen.context_relative_norm);
  return json;
}

}  // namespace

std::vector<Json> mechanism_rows(const Gpt& model, const Dataset& data, c10::Device device,
                                 std::int64_t iteration) {
  const Config& config = model.config();
  if (mechanisms_on(config).empty()) return {};
  const std::int64_t T = config.gpt.context;
  const auto starts = evaluation_starts(data.validation().size(), T, config.train.eval_samples);
  const auto count = std::min(starts.size(), static_cast<std::size_t>(config.train.batch_size));
  const Batch batch = make_batch(data.validation(), std::span(starts).first(count), T);
  const auto observations = model.observe(batch.inputs.to(device));
  std::vector<Json> rows;
  for (std::size_t block = 0; block < observations.size(); ++block) {
    Json row = to_json(observations[block]);
    if (row.empty()) continue;
    row.update({{"kind", "mechanisms"}, {"iteration", iteration}, {"block", block}});
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace kablate
