// What a model says about its mechanisms, against plain loops over what the reference model made.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/gpt.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

using reference::Matrix;

struct Moments {
  double n = 0, sum = 0, squares = 0;

  void add(double x) { ++n, sum += x, squares += x * x; }
  void add(const Matrix& x) {
    for (const auto& row : x)
      for (const double value : row) add(value);
  }
  std::optional<double> mean() const { return n > 0 ? std::optional(sum / n) : std::nullopt; }
  std::optional<double> sd() const {
    return n > 0 ? std::optional(std::sqrt(squares / n - sum / n * sum / n)) : std::nullopt;
  }
  std::optional<double> relative_to(const Moments& whole) const {
    return n > 0 ? std::optional(std::sqrt(squares / whole.squares)) : std::nullopt;
  }
};

// Of each row that keeps something: its mean distance and its entropy.
void add_rows(const Matrix& R, Moments& distance, Moments& entropy) {
  for (std::size_t t = 0; t < R.size(); ++t) {
    double sum = 0, far = 0, bits = 0;
    for (const double weight : R[t]) sum += weight;
    if (sum == 0) continue;
    for (std::size_t s = 0; s < R.size(); ++s) {
      const double p = R[t][s] / sum;
      far += p * static_cast<double>(std::max(s, t) - std::min(s, t));
      if (p > 0) bits -= p * std::log(p);
    }
    distance.add(far), entropy.add(bits);
  }
}

BlockObservation expected(const Config& config, const std::vector<reference::Output>& outputs,
                          std::size_t block) {
  Moments gate, distance, entropy, u, enrichment, u_enriched, cross, keys, addition;
  for (const auto& output : outputs) {
    const auto& trace = output.traces[block];
    gate.add(trace.gate), keys.add(trace.keys), addition.add(trace.key_addition);
    u.add(trace.u), enrichment.add(trace.enrichment), u_enriched.add(trace.u_enriched);
    cross.add(trace.cross);
    if (config.cross.enabled)
      for (const auto& R : output.routing.rows[block]) add_rows(R, distance, entropy);
  }
  BlockObservation all;
  const auto put = [&](const char* name, const std::optional<double>& value) {
    if (value) all[name] = *value;
  };
  put("gate_mean", gate.mean()), put("gate_sd", gate.sd());
  put("routing_distance", distance.mean()), put("routing_entropy", entropy.mean());
  put("cross_relative_norm", cross.relative_to(u_enriched));
  put("enrich_relative_norm", enrichment.relative_to(u));
  put("context_relative_norm", addition.relative_to(keys));
  return all;
}

// Units whose 2σ(gate)·‖column of c_proj‖ is above 0.05 of the layer's mean; empty without gates.
std::optional<double> learned_width(const Config& c, const reference::Weights& weights, std::size_t block) {
  const auto name = [](std::size_t layer, const char* key) {
    return "transformer.h." + std::to_string(layer) + ".mlp." + key;
  };
  const auto found = weights.find(name(block, "unit_gate"));
  if (found == weights.end()) return {};
  const auto& gates = found->second.values;
  const auto k = static_cast<std::size_t>(c.mlp.share_layers);
  const std::size_t owner = c.gpt.share_main ? 0 : block / k * k;
  reference::Weight map = weights.at(name(owner, c.mlp.per_head ? "c_proj_heads" : "c_proj.weight"));
  if (const auto down = weights.find(name(block, "c_proj.lora_A.weight")); down != weights.end()) {
    const auto& up = weights.at(name(block, "c_proj.lora_B.weight"));
    const auto in = static_cast<std::size_t>(map.shape[1]), rank = static_cast<std::size_t>(c.lora.rank);
    for (std::size_t i = 0; i < map.values.size(); ++i)
      for (std::size_t r = 0; r < rank; ++r)
        map.values[i] += c.lora.alpha / static_cast<double>(rank) * up.values[i / in * rank + r] *
                         down->second.values[r * in + i % in];
  }
  const auto width = static_cast<std::size_t>(map.shape.back()),
             rows = static_cast<std::size_t>(map.shape[map.shape.size() - 2]);
  reference::Vector sizes;
  double mean = 0;
  for (std::size_t unit = 0; unit < gates.size(); ++unit) {
    const std::size_t own = unit / width / static_cast<std::size_t>(c.mlp.share_heads);  // map, of several
    double square = 0;
    for (std::size_t row = 0; row < rows; ++row)
      square += std::pow(map.values[(own * rows + row) * width + unit % width], 2);
    sizes.push_back(2 / (1 + std::exp(-gates[unit])) * std::sqrt(square));
    mean += sizes.back() / static_cast<double>(gates.size());
  }
  return static_cast<double>(
      std::count_if(sizes.begin(), sizes.end(), [&](double size) { return size > 0.05 * mean; }));
}

// The share of the block's choices that go to the expert.
double load_of(const std::vector<reference::Output>& outputs, std::size_t block, std::size_t expert) {
  double own = 0, all = 0;
  for (const auto& output : outputs)
    for (const auto& chosen : output.routing.chosen[block]) {
      own += static_cast<double>(std::count(chosen.begin(), chosen.end(), expert));
      all += static_cast<double>(chosen.size());
    }
  return own / all;
}

class ObservedArm : public testing::TestWithParam<Arm> {};

TEST_P(ObservedArm, SaysWhatPlainLoopsSay) {
  const Config config = small_config(GetParam().deltas);
  const auto parameters = random_parameters(config, 13);
  const auto inputs = random_sequences(config, 3, config.gpt.context, 13).inputs;
  std::vector<reference::Output> outputs;
  for (const auto& tokens : inputs)
    outputs.push_back(reference::forward(config, plain_weights(parameters), tokens));

  const auto found = Gpt(config, in_double(parameters)).observe(as_tensor(inputs));
  ASSERT_EQ(found.size(), static_cast<std::size_t>(config.gpt.num_layers));
  for (std::size_t block = 0; block < found.size(); ++block) {
    SCOPED_TRACE(block);
    auto wanted = expected(config, outputs, block);
    if (const auto width = learned_width(config, plain_weights(parameters), block))
      wanted["mlp_width"] = *width;
    for (std::size_t e = 0; !outputs[0].routing.p[block].empty() && e < outputs[0].routing.p[block][0].size();
         ++e)
      wanted["expert_load_" + std::to_string(e)] = load_of(outputs, block, e);
    ASSERT_EQ(found[block].size(), wanted.size());
    for (const auto& [name, value] : wanted) {
      ASSERT_TRUE(found[block].contains(name)) << name;
      EXPECT_NEAR(found[block].at(name), value, 1e-10) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Arms, ObservedArm, testing::ValuesIn(arms()), arm_test_name);

}  // namespace
}  // namespace kablate
