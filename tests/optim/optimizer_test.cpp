#include "optim/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"
#include "reference_optimizer.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

OptimConfig spam_config() {
  OptimConfig config;
  config.kind = OptimizerKind::kAdamWSpam;
  config.weight_decay = 0.1;
  config.grad_clip = 6.0;
  config.beta1 = 0.9;
  config.beta2 = 0.99;
  config.epsilon = 1e-8;
  config.spam_clip = config.spam_reset = config.spam_warmup = true;
  config.spam_theta = 5.0;
  config.spam_spike_threshold = 2.0;
  config.spam_interval = 25;
  config.spam_warmup_steps = 6;
  return config;
}

OptimConfig adamw_config() {
  auto config = spam_config();
  config.kind = OptimizerKind::kAdamW;
  return config;
}

constexpr int kSpikeStep = 37, kSteps = 60;

// Three parameters: an embedding whose odd rows never get a gradient, a matrix and a vector. What each step's
// gradient is depends on the step alone; the one at kSpikeStep is 30 times too large.
struct Problem {
  std::vector<std::vector<std::int64_t>> shapes{{6, 5}, {3, 4, 7}, {9}};
  NamedParameters parameters;

  Problem() {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      auto tensor = at::empty(shapes[i]);
      fill_normal(stream_key(i, "weights"), tensor.mutable_data_ptr<float>(), tensor.numel());
      parameters.names.push_back(str("tensor.", i));
      parameters.tensors.push_back(tensor.requires_grad_(true));
    }
  }

  at::Tensor gradient(std::size_t i, int step) const {
    auto tensor = at::empty(shapes[i]);
    fill_normal(stream_key(static_cast<std::uint64_t>(step), str("gradient/", i)),
                tensor.mutable_data_ptr<float>(), tensor.numel());
    tensor.mul_(step == kSpikeStep ? 15 : 0.5);
    if (i == 0)
      for (std::int64_t row = 1; row < tensor.size(0); row += 2) tensor[row].zero_();
    return tensor;
  }

  void set_gradients(int step) {
    for (std::size_t i = 0; i < shapes.size(); ++i) parameters.tensors[i].mutable_grad() = gradient(i, step);
  }
};

Values values_of(const at::Tensor& tensor) {
  const auto flat = tensor.detach().to(at::kDouble).flatten().contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

std::vector<Values> values_of(const std::vector<at::Tensor>& tensors) {
  std::vector<Values> values;
  for (const auto& tensor : tensors) values.push_back(values_of(tensor));
  return values;
}

std::vector<at::Tensor> deep_copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copied;
  for (const auto& tensor : tensors) copied.push_back(tensor.detach().clone());
  return copied;
}

// What happened in a run, counted, so that a test can ask that all branches were taken.
struct Tally {
  std::int64_t clipped = 0;
  int spikes = 0, resets = 0, norm_clips = 0, warm = 0;
};

Tally follows_the_reference(const OptimConfig& config) {
  Problem problem;
  ReferenceOptimizer reference(config, values_of(problem.parameters.tensors), {true, true, false});
  const auto optimizer = make_optimizer(config, problem.parameters);
  Tally tally;
  for (int step = 1; step <= kSteps; ++step) {
    const double rate = 0.01 * (1 + step % 3);
    problem.set_gradients(step);
    std::vector<Values> gradients;
    for (std::size_t i = 0; i < problem.shapes.size(); ++i)
      gradients.push_back(values_of(problem.gradient(i, step)));
    const auto expected = reference.step(gradients, rate);
    const auto report = optimizer->step(rate);
    SCOPED_TRACE(testing::Message() << "step " << step);
    EXPECT_TRUE(report.finite);
    EXPECT_NEAR(report.grad_norm, expected.grad_norm, 1e-6 * expected.grad_norm);
    EXPECT_DOUBLE_EQ(report.learning_rate, expected.learning_rate);
    EXPECT_EQ(report.clipped_elements, expected.clipped_elements);
    EXPECT_EQ(report.norm_clipped, expected.norm_clipped);
    EXPECT_EQ(report.spike, expected.spike);
    EXPECT_EQ(report.reset, expected.reset);
    const auto weights = values_of(problem.parameters.tensors);
    for (std::size_t i = 0; i < weights.size(); ++i)
      for (std::size_t j = 0; j < weights[i].size(); ++j)
        EXPECT_NEAR(weights[i][j], reference.weights()[i][j], 5e-6) << i << ", " << j;  // float32: 1 - lr wd
    if (testing::Test::HasFailure()) break;
    tally.clipped += report.clipped_elements;
    tally.spikes += report.spike;
    tally.resets += report.reset;
    tally.norm_clips += report.norm_clipped;
    tally.warm += report.learning_rate < rate;
  }
  return tally;
}

TEST(AdamW, FollowsThePlainReference) {
  const auto tally = follows_the_reference(adamw_config());
  EXPECT_GE(tally.norm_clips, 1);
  EXPECT_LT(tally.norm_clips, kSteps);
  EXPECT_EQ(tally.clipped + tally.spikes + tally.resets + tally.warm, 0);
}

TEST(AdamW, WithoutANormClipFollowsThePlainReference) {
  auto config = adamw_config();
  config.grad_clip = 0;
  EXPECT_EQ(follows_the_reference(config).norm_clips, 0);
}

// An epsilon that is felt: inside the root it would lead elsewhere.
TEST(AdamW, WithALargeEpsilonFollowsThePlainReference) {
  auto config = adamw_config();
  config.epsilon = 0.1;
  follows_the_reference(config);
}

TEST(AdamWSpam, FollowsThePlainReference) {
  const auto tally = follows_the_reference(spam_config());
  EXPECT_GE(tally.norm_clips, 1);
  EXPECT_GT(tally.clipped, 20);
  EXPECT_GE(tally.spikes, 1);
  EXPECT_EQ(tally.resets, 2);  // updates 26 and 51
  EXPECT_EQ(tally.warm, 2 * 6);
}

TEST(AdamWSpam, FollowsThePlainReferenceWithEachPartOff) {
  for (const auto part : {&OptimConfig::spam_clip, &OptimConfig::spam_reset, &OptimConfig::spam_warmup}) {
    auto config = spam_config();
    config.*part = false;
    const auto tally = follows_the_reference(config);
    EXPECT_EQ(tally.clipped > 0, config.spam_clip);
    EXPECT_EQ(tally.resets, config.spam_reset ? 2 : 0);
    EXPECT_EQ(tally.warm, config.spam_reset && config.spam_warmup ? 12 : 0);
    EXPECT_GE(tally.spikes, 1);
  }
}

// With resets so often, the history of norms must outlive them to hold the ten that a spike needs.
TEST(AdamWSpam, KeepsItsNormsAcrossResets) {
  auto config = spam_config();
  config.spam_interval = 8;
  config.spam_clip = false;
  EXPECT_GE(follows_the_reference(config).spikes, 1);
}

// A large norm hides a middling one while it is among the last 100, and no longer.
TEST(AdamWSpam, JudgesByTheLastHundredNorms) {
  auto config = spam_config();
  config.spam_clip = config.spam_reset = false;
  for (const int between : {99, 100}) {
    Problem problem;
    const auto optimizer = make_optimizer(config, problem.parameters);
    const auto step = [&](int gradient, double factor) {
      problem.set_gradients(gradient);
      for (auto& tensor : problem.parameters.tensors) tensor.grad().mul_(factor);
      return optimizer->step(0.01).spike;
    };
    step(kSpikeStep, 1);
    for (int i = 0; i < between; ++i) step(1, 1 + 0.01 * (i % 2));
    EXPECT_EQ(step(1, 2), between == 100) << between;
  }
}

TEST(AdamWSpam, SeesNoSpikeInEqualNorms) {
  auto config = spam_config();
  config.spam_clip = config.spam_reset = false;
  config.spam_spike_threshold = 0.5;
  Problem problem;
  const auto optimizer = make_optimizer(config, problem.parameters);
  for (int step = 1; step <= 150; ++step) {
    problem.set_gradients(1);
    EXPECT_FALSE(optimizer->step(0.01).spike) << step;
  }
  problem.set_gradients(kSpikeStep);
  EXPECT_FALSE(optimizer->step(0.01).spike);  // deviation 0: no spike, however large
  problem.set_gradients(kSpikeStep);
  EXPECT_TRUE(optimizer->step(0.01).spike);
}

// With ADAM_DECAY_ALL the vector decays as the matrices do.
TEST(Optimizers, DecayEveryParameterWhereAsked) {
  for (auto config : {adamw_config(), spam_config()}) {
    config.grad_clip = 0, config.weight_decay = 0.5;
    Problem plain, all;
    const auto one = make_optimizer(config, plain.parameters);
    config.decay_all = true;
    const auto other = make_optimizer(config, all.parameters);
    const at::Tensor vector = plain.parameters.tensors[2].detach().clone();
    plain.set_gradients(1), all.set_gradients(1);
    ASSERT_TRUE(one->step(0.01).finite && other->step(0.01).finite);
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_TRUE(at::equal(plain.parameters.tensors[i], all.parameters.tensors[i]));
    const at::Tensor decayed = plain.parameters.tensors[2] - all.parameters.tensors[2];
    EXPECT_TRUE(at::allclose(decayed, vector * (0.01 * 0.5), 1e-3, 1e-6));
  }
}

// Loss ½ Σ c (w - 3)², condition number 100: it falls on the whole after every reset, too.
TEST(AdamWSpam, LossStillFallsAfterAReset) {
  auto config = spam_config();
  config.weight_decay = 0;
  config.spam_theta = 50;
  const auto weight = at::full({2, 50}, -1.0, at::kFloat).requires_grad_(true);
  const auto curvature = at::pow(at::full({}, 10.0), at::linspace(-1, 1, 100).view({2, 50}));
  const auto optimizer = make_optimizer(config, {{"w"}, {weight}});
  const auto loss = [&] { return (0.5 * curvature * (weight.detach() - 3).pow(2)).sum().item<double>(); };
  std::vector<double> losses{loss()};
  int resets = 0;
  for (int step = 1; step <= 100; ++step) {
    weight.mutable_grad() = curvature * (weight.detach() - 3);
    resets += optimizer->step(0.03).reset;
    losses.push_back(loss());
  }
  EXPECT_EQ(resets, 3);
  for (const std::size_t reset : {26u, 51u, 76u}) {
    EXPECT_LT(losses[reset], losses[reset - 1]) << "reset " << reset;  // lr x 1e-3: a small step, but down
    EXPECT_LT(losses[reset + 20], 0.8 * losses[reset - 1]) << "reset " << reset;
  }
}

TEST(Optimizers, StopBeforeANonFiniteGradientTouchesAnything) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const auto& config : {adamw_config(), spam_config()})
    for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
      Problem problem;
      const auto optimizer = make_optimizer(config, problem.parameters);
      for (int step = 1; step <= 25; ++step) {
        problem.set_gradients(step);
        EXPECT_TRUE(optimizer->step(0.01).finite);
      }
      const auto weights = deep_copies(problem.parameters.tensors);
      std::map<std::string, at::Tensor> state;
      for (const auto& [name, tensor] : optimizer->state()) state[name] = tensor.clone();
      problem.set_gradients(26);  // the update that would reset
      problem.parameters.tensors[1].grad()[2][3][6] = bad;
      EXPECT_FALSE(optimizer->step(0.01).finite);
      for (std::size_t i = 0; i < weights.size(); ++i)
        EXPECT_TRUE(weights[i].equal(problem.parameters.tensors[i]));
      for (const auto& [name, tensor] : optimizer->state()) EXPECT_TRUE(tensor.equal(state.at(name))) << name;
    }
}

TEST(Optimizers, NameAParameterWithoutGradient) {
  for (const auto& config : {adamw_config(), spam_config()}) {
    Problem problem;
    const auto optimizer = make_optimizer(config, problem.parameters);
    problem.set_gradients(1);
    problem.parameters.tensors[1].mutable_grad().reset();
    const auto message = message_of<c10::Error>([&] { (void)optimizer->step(0.01); });
    EXPECT_NE(message.find("tensor.1 got no gradient"), std::string::npos) << message;
  }
}

// A gradient that lies transposed in memory is read by its indices, not as it lies.
TEST(Optimizers, TakeGradientsOfAnyLayout) {
  Problem straight, turned;
  const auto a = make_optimizer(spam_config(), straight.parameters),
             b = make_optimizer(spam_config(), turned.parameters);
  for (int step = 1; step <= 3; ++step) {
    straight.set_gradients(step);
    turned.set_gradients(step);
    auto& gradient = turned.parameters.tensors[0].mutable_grad();
    gradient = gradient.t().contiguous().t();
    EXPECT_EQ(a->step(0.01).grad_norm, b->step(0.01).grad_norm);
  }
  EXPECT_TRUE(straight.parameters.tensors[0].equal(turned.parameters.tensors[0]));
}

// Stopped after any number of steps and gone on from the stored state: not a bit differs.
TEST(Optimizers, GoOnBitForBitFromTheirState) {
  for (const auto& config : {adamw_config(), spam_config()})
    for (const int stop : {0, 1, 12, 25, 26, 28, 37, 38}) {
      Problem whole, first, second;
      const auto undisturbed = make_optimizer(config, whole.parameters);
      auto optimizer = make_optimizer(config, first.parameters);
      Problem* problem = &first;
      for (int step = 1; step <= kSteps; ++step) {
        if (step == stop + 1) {
          std::map<std::string, at::Tensor> stored;
          for (const auto& [name, tensor] : optimizer->state()) stored[name] = tensor.clone();
          for (std::size_t i = 0; i < first.shapes.size(); ++i)
            second.parameters.tensors[i].detach().copy_(first.parameters.tensors[i]);
          optimizer = make_optimizer(config, second.parameters);
          optimizer->load_state(stored);
          problem = &second;
        }
        whole.set_gradients(step);
        problem->set_gradients(step);
        const auto a = undisturbed->step(0.02), b = optimizer->step(0.02);
        EXPECT_EQ(a.grad_norm, b.grad_norm);
        EXPECT_EQ(a.spike, b.spike);
        EXPECT_EQ(a.learning_rate, b.learning_rate);
      }
      for (std::size_t i = 0; i < first.shapes.size(); ++i)
        EXPECT_TRUE(whole.parameters.tensors[i].equal(second.parameters.tensors[i])) << "stop " << stop;
      const auto state = optimizer->state();
      for (const auto& [name, tensor] : undisturbed->state())
        EXPECT_TRUE(tensor.equal(state.at(name))) << name;
    }
}

TEST(Optimizers, StateHasTheDocumentedNamesAndTypes) {
  Problem problem;
  const auto state = make_optimizer(spam_config(), problem.parameters)->state();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"bias_updates", "last_reset", "m.tensor.0", "m.tensor.1", "m.tensor.2",
                                      "norms", "updates", "v.tensor.0", "v.tensor.1", "v.tensor.2"}));
  EXPECT_EQ(state.at("m.tensor.1").scalar_type(), at::kFloat);
  EXPECT_EQ(state.at("m.tensor.1").sizes(), (at::IntArrayRef{3, 4, 7}));
  EXPECT_EQ(state.at("updates").scalar_type(), at::kLong);
  EXPECT_EQ(state.at("norms").scalar_type(), at::kDouble);
  EXPECT_EQ(make_optimizer(adamw_config(), problem.parameters)->state().size(), 7u);
}

TEST(Optimizers, RefuseAStateThatIsNotTheirs) {
  for (const auto& config : {adamw_config(), spam_config()}) {
    Problem problem;
    const auto optimizer = make_optimizer(config, problem.parameters);
    problem.set_gradients(1);
    (void)optimizer->step(0.01);
    const auto good = optimizer->state();
    const auto before = good.at("m.tensor.0").clone();
    const auto refused = [&](const std::map<std::string, at::Tensor>& state, const std::string& name) {
      const auto message = message_of<WorkError>([&] { optimizer->load_state(state); });
      EXPECT_NE(message.find("\"" + name + "\""), std::string::npos) << name << ": " << message;
      EXPECT_TRUE(optimizer->state().at("m.tensor.0").equal(before)) << name;
    };
    for (const auto& [name, tensor] : good) {
      auto state = good;
      state["m.tensor.0"] = at::ones({6, 5});  // would show if loading began before the check ended
      state.erase(name);
      refused(state, name);
      state[name] = at::zeros({2, 2, 2, 2}, tensor.options());
      refused(state, name);
      state[name] = tensor.to(at::kShort);
      refused(state, name);
    }
    auto state = good;
    state["m.tensor.9"] = at::zeros({1});
    refused(state, "m.tensor.9");
    state = good;
    state["bias_updates"] = at::full({1}, -1, at::kLong);
    refused(state, "bias_updates");
  }
}

}  // namespace
}  // namespace kablate
