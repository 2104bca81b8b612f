// Small models for the tests of src/model: configurations by name, random weights, random tokens, and the way
// from the program's tensors to the reference's plain numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "audit/subject.h"
#include "config/config.h"
#include "model/parameters.h"
#include "support/configure.h"
#include "support/engine/reference_model.h"

namespace kablate {

// A model of 3 layers, E 12, H 3, L 6, F 24, T 8, V 11, latent attention,
// float32, no dropout, all mechanisms off, with weights α far from 0 and 1; then
// the deltas. No two of its widths are equal. Throws what validate() throws.
Config small_config(const Deltas& deltas = {});
Settings small_settings(const Deltas& deltas = {});

// One configuration for every mechanism, tying, sparsification and switch of the model.
struct Arm {
  std::string name;
  Deltas deltas;
};
const std::vector<Arm>& arms();
std::vector<Arm> causal_arms();
void PrintTo(const Arm& arm, std::ostream* out);
std::string arm_test_name(const testing::TestParamInfo<Arm>& info);

// Every parameter of the configuration drawn anew, biases and norms included, all of order 1: float32, so
// that a float64 copy has the same values.
ParameterSet random_parameters(const Config& config, std::uint64_t seed);
ParameterSet in_double(const ParameterSet& parameters);

struct Sequences {
  std::vector<std::vector<std::int64_t>> inputs, targets;  // [B][T]
};
Sequences random_sequences(const Config& config, std::int64_t B, std::int64_t T, std::uint64_t seed);
Tensor as_tensor(const std::vector<std::vector<std::int64_t>>& ids);  // [B, T] int64

reference::Weights plain_weights(const ParameterSet& parameters);

// ‖a − b‖ / ‖b‖ over all elements; a is [B, T, V].
double relative_difference(const Tensor& a_BTV, const std::vector<reference::Matrix>& b);
// The gradients of the mean cross entropy, and of the mean of what the critic says where there is one, by
// parameter name.
std::map<std::string, Tensor> loss_gradients(const Config& config, const ParameterSet& parameters,
                                             const Sequences& sequences);

}  // namespace kablate
