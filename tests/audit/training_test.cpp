// Faults of the trial's own loop, each planted and caught.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "config/mechanism.h"
#include "support/engine/audited.h"

namespace kablate {
namespace {

using Data = std::shared_ptr<const Dataset>;

// The program with another training; `change` gets what a call of the loop gets.
template <typename Function>
Subject with_training(Function change) {
  Subject subject = program();
  subject.train = change;
  return subject;
}

Training train(const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
  return program().train(config, seed, data, updates);
}

// The same data, but that it validates on its training split.
class Leaked final : public Dataset {
 public:
  explicit Leaked(Data data) : data_(std::move(data)) {
    vocabulary_ = data_->vocabulary(), tokenizer_ = data_->tokenizer();
  }
  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override {
    return data_->samples(seed, first, count, T);
  }
  std::int64_t num_windows(Split, std::int64_t T) const override {
    return data_->num_windows(Split::kTrain, T);
  }
  Batch windows(Split, std::span<const std::int64_t> numbers, std::int64_t T) const override {
    return data_->windows(Split::kTrain, numbers, T);
  }
  std::string hash() const override { return "leaked"; }

 private:
  Data data_;
};

TEST(PlantedTraining, SamplesThatDependOnTheArmAreCaught) {
  const auto other =
      with_training([](Config config, std::int64_t seed, const Data& data, std::int64_t updates) {
        config.data.seed = mechanisms_on(config).empty() ? config.data.seed : seed + 100;
        return train(config, seed, data, updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), other), "samples", "other tokens than the samples"));
}

TEST(PlantedTraining, SamplesThatIgnoreTheSeedAreCaught) {
  const auto same =
      with_training([](Config config, std::int64_t seed, const Data& data, std::int64_t updates) {
        config.data.seed = 9;
        return train(config, seed, data, updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), same), "samples", ""));
}

TEST(PlantedTraining, ValidationOnTrainingWindowsIsCaught) {
  const auto leaked =
      with_training([](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
        return train(config, seed, std::make_shared<const Leaked>(data), updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), leaked), "evaluation", "other windows"));
}

TEST(PlantedTraining, FewerWindowsAreCaught) {
  const auto fewer =
      with_training([](Config config, std::int64_t seed, const Data& data, std::int64_t updates) {
        --config.train.eval_samples;
        return train(config, seed, data, updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), fewer), "evaluation", "other windows"));
}

TEST(PlantedTraining, AnotherLossThanThatOfTheWeightsIsCaught) {
  const auto best =
      with_training([](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
        auto result = train(config, seed, data, updates);
        result.losses.val_loss = *result.losses.val_loss * 0.999;
        return result;
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), best), "evaluation", "its windows say"));
}

TEST(PlantedTraining, DropoutInEvaluationIsCaught) {
  const auto left_on =
      with_training([](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
        auto result = train(config, seed, data, updates);
        if (config.gpt.dropout > 0) result.losses.val_loss = *result.losses.val_loss + 1e-7;
        return result;
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), left_on), "evaluation", "dropout changes"));
}

TEST(PlantedTraining, GradientsScaledByAccumulationAreCaught) {
  const auto scaled =
      with_training([](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
        auto result = train(config, seed, data, updates);
        for (auto& row : result.updates)
          row.grad_norm = *row.grad_norm * static_cast<double>(config.train.accumulation);
        return result;
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), scaled), "updates", "gradient norm"));
}

TEST(PlantedTraining, ATensorThatStandsStillIsCaught) {
  const auto frozen =
      with_training([](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
        auto result = train(config, seed, data, updates);
        const std::string name = "transformer.h.1.ln_1.weight";
        result.weights[name] = result.start.at(name);
        return result;
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), frozen), "updates", "transformer.h.1.ln_1.weight has not moved"));
}

TEST(PlantedTraining, ARateOffTheScheduleIsCaught) {
  const auto late =
      with_training([](Config config, std::int64_t seed, const Data& data, std::int64_t updates) {
        ++config.optim.warmup_steps;
        return train(config, seed, data, updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), late), "updates", "the schedule says"));
}

TEST(PlantedTraining, AMechanismThatActsAtWeightZeroIsCaught) {
  const auto lively =
      with_training([](Config config, std::int64_t seed, const Data& data, std::int64_t updates) {
        if (config.gate.alpha == 0) config.gate.alpha = 1e-4;
        return train(config, seed, data, updates);
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), lively), "twin_training", "another loss"));
}

// An optimizer whose own parameters of an arm learn three times as fast.
class Eager final : public Optimizer {
 public:
  Eager(const OptimConfig& config, const NamedParameters& parameters)
      : parameters_(parameters), own_(program().optimizer(config, parameters)) {}
  UpdateReport step(double rate) override {
    std::vector<at::Tensor> before;
    for (const auto& tensor : parameters_.tensors) before.push_back(tensor.detach().clone());
    const auto report = own_->step(rate);
    for (std::size_t i = 0; i < before.size(); ++i)
      if (parameters_.names[i].find("cross_proj") != std::string::npos) {
        at::Tensor values = parameters_.tensors[i].detach();
        values.copy_(before[i] + 3 * (values - before[i]));
      }
    return report;
  }
  void forget(const std::string& parameter, const at::Tensor& entries) override {
    own_->forget(parameter, entries);
  }
  std::map<std::string, at::Tensor> state() const override { return own_->state(); }
  void load_state(const std::map<std::string, at::Tensor>& state) override { own_->load_state(state); }
  void all_have_loaded() override { own_->all_have_loaded(); }

 private:
  NamedParameters parameters_;
  std::unique_ptr<Optimizer> own_;
};

TEST(PlantedTraining, ALearningRateOfAnArmsOwnParametersIsCaught) {
  Subject subject = program();
  subject.optimizer = [](const OptimConfig& config, const NamedParameters& parameters) {
    return std::make_unique<Eager>(config, parameters);
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "optimizer", "cross_proj.weight ends"));
}

// A parameter that nothing reads ends the trial's loop: the gates that need it say so, the others still
// speak.
TEST(PlantedTraining, ALoopThatEndsInAnErrorFailsItsOwnGatesAlone) {
  const auto broken = with_training([](const Config&, std::int64_t, const Data&, std::int64_t) -> Training {
    TORCH_CHECK(false, "parameter x got no gradient");
  });
  const auto checks = audit(all_mechanisms(), broken);
  EXPECT_TRUE(fails(checks, "twin_training", "ends in an error: parameter x got no gradient"));
  EXPECT_EQ(failed(checks), "samples evaluation updates twin_training");
}

// Whatever the optimizer is configured to, its few updates are those of its equations.
TEST(TrainingGates, PassForEveryOptimizer) {
  for (const auto& more :
       {Deltas{{"OPTIMIZER", "adamw"}, {"GRAD_CLIP", "0"}},
        Deltas{{"SPAM_INTERVAL", "3"}, {"SPAM_WARMUP_STEPS", "2"}},
        Deltas{{"SPAM_THETA", "0.5"}, {"SPAM_INTERVAL", "2"}, {"SPAM_WARMUP_STEPS", "1"}},
        Deltas{{"GPT2_DROPOUT", "0.2"}, {"RECOMPUTE", "y"}}, Deltas{{"DTYPE", "bfloat16"}},
        Deltas{{"GPT2_WARMUP_STEPS", "0"}, {"GPT2_DECAY_LR", "n"}, {"GPT2_WEIGHT_DECAY", "0"}}}) {
    const auto checks = audit(all_mechanisms(more));
    EXPECT_EQ(failed(checks), "") << more[0].first << ": " << failed_gates(checks, 1);
  }
}

}  // namespace
}  // namespace kablate
