// What a model says about its mechanisms, against plain loops over what the reference model made.
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
    for (std::size_t s = 0; s <= t; ++s) sum += R[t][s];
    if (sum == 0) continue;
    for (std::size_t s = 0; s <= t; ++s) {
      const double p = R[t][s] / sum;
      far += p * static_cast<double>(t - s);
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
    const auto wanted = expected(config, outputs, block);
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
