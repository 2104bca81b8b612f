// Automatic gradients of the loss against finite differences of the plain reference, parameter tensor by
// tensor; and that no parameter of an enabled mechanism is dead.
#include <cmath>
#include <random>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "audit/gates.h"
#include "base/text.h"
#include "shape/model_shape.h"
#include "shape/policy.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

using reference::Vector;

// The reference's loss as a function of the weights. Selection, and detached rows, stay as they are at the
// start.
class ReferenceLoss {
 public:
  ReferenceLoss(const Config& config, const ParameterSet& parameters, const Sequences& sequences)
      : config_(config), weights_(plain_weights(parameters)), sequences_(sequences) {
    for (const auto& tokens : sequences.inputs)
      held_.push_back(reference::forward(config_, weights_, tokens).routing);
  }

  double operator()() const {
    std::vector<reference::Matrix> logits;
    double critic = 0, said = 0;
    for (std::size_t b = 0; b < held_.size(); ++b) {
      const reference::Options options{.held = &held_[b], .drop = nullptr};
      const auto output = reference::forward(config_, weights_, sequences_.inputs[b], options);
      logits.push_back(output.logits);
      for (const auto& row : output.critic) critic += row[0], ++said;
    }
    return reference::cross_entropy(logits, sequences_.targets) + (said > 0 ? critic / said : 0);
  }

  // dL/dε of weight `name` + ε·direction, by central differences of the fourth order: error about 1e-12. The
  // slope of relu2 has a corner, where the error is about h.
  double derivative(const std::string& name, const Vector& direction) {
    const double h = config_.mlp.activation == Activation::kRelu2 ? 1e-6 : 4e-4;
    Vector& values = weights_.at(name).values;
    const Vector start = values;
    const auto loss_at = [&](double step) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = start[i] + step * direction[i];
      return (*this)();
    };
    const double slope = (8 * (loss_at(h) - loss_at(-h)) - (loss_at(2 * h) - loss_at(-2 * h))) / (12 * h);
    values = start;
    return slope;
  }

 private:
  Config config_;
  reference::Weights weights_;
  Sequences sequences_;
  std::vector<reference::Routing> held_;
};

// A direction of length 1 in the whole tensor, then three of its elements.
std::vector<Vector> directions(std::size_t size, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Vector whole(size);
  double square = 0;
  for (auto& value : whole) {
    value = normal(random);
    square += value * value;
  }
  for (auto& value : whole) value /= std::sqrt(square);
  std::vector<Vector> all{whole};
  for (int i = 0; i < 3; ++i) {
    all.emplace_back(size, 0);
    all.back()[random() % size] = 1;
  }
  return all;
}

class EveryGradient : public testing::TestWithParam<Arm> {};

TEST_P(EveryGradient, EqualsFiniteDifferences) {
  const Config config = small_config(GetParam().deltas);
  const auto parameters = random_parameters(config, 21);
  const auto sequences = random_sequences(config, 2, 7, 21);
  const auto gradients = loss_gradients(config, in_double(parameters), sequences);
  ReferenceLoss loss(config, parameters, sequences);
  std::mt19937_64 random(21);
  const double most = config.mlp.activation == Activation::kRelu2 ? 1e-6 : 1e-8;
  for (const auto& spec : parameters.specs()) {
    if (!spec.trained) continue;
    SCOPED_TRACE(spec.name);
    const auto& gradient = gradients.at(spec.name);
    const double length = gradient.norm().item<double>();
    for (const auto& direction : directions(static_cast<std::size_t>(gradient.numel()), random)) {
      const double found = at::dot(gradient.flatten(), at::tensor(direction, at::kDouble)).item<double>();
      EXPECT_NEAR(found, loss.derivative(spec.name, direction), most * length + most / 1000);
    }
  }
}

// At the initial values as well as far from them: a gradient of exactly 0 is a parameter that nothing reads,
// or one that is not trained.
TEST_P(EveryGradient, ReachesEveryParameter) {
  const Config config = small_config(GetParam().deltas);
  const auto sequences = random_sequences(config, 2, 8, 22);
  std::vector<ParameterSet> starts{random_parameters(config, 22)};
  const auto waits = [](const std::string& name) { return name.ends_with(kAdapterDown); };
  // With a threshold above 1 the nearly even rows of the start keep nothing at all.
  if (GetParam().name != "CrossRmsEmptyRows")
    starts.push_back(ParameterSet::initialized(model_parameters(config), 22));
  for (const auto& parameters : starts) {
    auto gradients = loss_gradients(config, parameters, sequences);
    // So few tokens may all have other experts chosen than one: each gets those of every other in turn.
    for (std::int64_t by = 1; by < config.mlp.experts; ++by)
      for (const auto& [name, gradient] :
           loss_gradients(config, with_moved_routers(parameters, by), sequences))
        gradients.at(name) = gradients.at(name).abs() + gradient.abs();
    const bool at_start = &parameters != &starts.front();
    for (const auto& spec :
         parameters.specs())  // an adapter's upper map is 0 then: the lower one waits for it
      EXPECT_EQ(gradients.at(spec.name).abs().max().item<float>() > 0,
                spec.trained && !(at_start && waits(spec.name)))
          << spec.name;
  }
}

// What is recomputed in pieces (model/recompute.h) gives what it gives in one, whether it is some values of
// the MLP or, with RECOMPUTE, all of it.
TEST_P(EveryGradient, OfABatchIsTheMeanOfItsHalves) {
  constexpr std::int64_t kB = 6, kT = 8, kRows = 24;
  Config config = small_config(GetParam().deltas + Deltas{{"GPT2_BLOCK_SIZE", str(kT)}});
  config.limits.recomputed_rows = kRows;
  ASSERT_EQ(recompute_pieces(kB / 2, kT, kRows), 1);
  ASSERT_EQ(recompute_pieces(kB, kT, kRows), 2);
  const auto parameters = in_double(random_parameters(config, 23));
  const auto all = random_sequences(config, kB, kT, 23);
  const auto half = [&](const auto& ids, bool second) {
    return std::vector(ids.begin() + (second ? kB / 2 : 0), ids.end() - (second ? 0 : kB / 2));
  };
  std::map<std::string, Tensor> mean;
  for (const bool second : {false, true})
    for (const auto& [name, gradient] :
         loss_gradients(config, parameters, {half(all.inputs, second), half(all.targets, second)}))
      mean[name] = second ? mean[name] + gradient / 2 : gradient / 2;
  Config recomputing = config;
  recomputing.train.recompute = true;
  for (const Config& way : {config, recomputing})
    for (const auto& [name, gradient] : loss_gradients(way, parameters, all))
      EXPECT_LE((gradient - mean.at(name)).norm().item<double>(), 1e-10 * mean.at(name).norm().item<double>())
          << name << (way.train.recompute ? ", RECOMPUTE" : "");
}

INSTANTIATE_TEST_SUITE_P(Gradient, EveryGradient, testing::ValuesIn(arms()), arm_test_name);

// The routing rows carry gradient into the attention, or none of it: the value is the same either way.
TEST(CrossDetach, ChangesTheGradientAlone) {
  const Deltas on{{"RA_MLA_MLP_CROSS_TOKEN", "y"}}, detached{on[0], {"RA_MLA_MLP_CROSS_DETACH", "y"}};
  const auto parameters = random_parameters(small_config(on), 23);
  const auto sequences = random_sequences(small_config(on), 2, 8, 23);
  const auto with = loss_gradients(small_config(on), parameters, sequences);
  const auto without = loss_gradients(small_config(detached), parameters, sequences);
  const std::string last = "transformer.h.2.";
  EXPECT_FALSE(at::equal(with.at(last + "attn.q_proj.weight"), without.at(last + "attn.q_proj.weight")));
  EXPECT_TRUE(at::equal(with.at(last + "mlp.cross_proj.weight"), without.at(last + "mlp.cross_proj.weight")));
}

}  // namespace
}  // namespace kablate
