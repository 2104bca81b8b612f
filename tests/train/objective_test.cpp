// An objective decides what counts; the loop, the ranks and the evaluation combine by that alone.
#include "train/objective.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "model/loss.h"
#include "optim/optimizer.h"
#include "support/engine/small_trial.h"
#include "train/evaluator.h"
#include "train/session.h"
#include "train/train_step.h"

namespace kablate {
namespace {

using testing_support::SmallTrial;

// Cross entropy of some targets only, of very different number from sequence to sequence, which it draws by
// the sequence's number; beside it the mean square of the head's input, over all positions.
class FewTargets final : public Objective {
 public:
  Batch keyed(Batch batch, std::uint64_t seed) const override {
    batch.targets = batch.targets.clone();
    const auto T = static_cast<std::uint64_t>(batch.targets.size(1));
    for (std::int64_t b = 0; b < batch.targets.size(0); ++b) {
      const auto number = batch.samples[static_cast<std::size_t>(b)];
      const double rate = random_uniform(stream_key(seed, "rate"), number);
      for (std::uint64_t t = 0; t < T; ++t)
        if (t > 0 && random_uniform(stream_key(seed, "target"), number * T + t) > rate)
          batch.targets[b][static_cast<std::int64_t>(t)] = kIgnoreIndex;
    }
    return batch;
  }

  std::vector<double> counts(const Batch& batch) const override {
    return {batch.targets.ne(kIgnoreIndex).sum().item<double>(), static_cast<double>(batch.targets.numel())};
  }

  Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool) const override {
    const Head head = model.head(batch.inputs, dropout);
    return {.terms = {{.name = "loss", .mean = head_cross_entropy(head, batch.targets)},
                      {.name = "square", .mean = head.values_BTE.square().mean(), .factor = 0.25}},
            .by_sequence_B = {}};
  }
};

struct Step {
  StepResult result;
  std::vector<Tensor> gradients;
};

// The first update of the small trial with its global batch of `batch` x `accumulation`.
Step step_of(const SmallTrial& trial, const Objective& objective, std::int64_t batch,
             std::int64_t accumulation) {
  Config config = trial.config;
  config.train.batch_size = batch, config.train.accumulation = accumulation;
  Session session(config, 1, trial.data);
  TrainStep train(config, session.model, session.parameters, *session.optimizer, session.pruner, objective,
                  *trial.data, 1, one_rank());
  Step step{train.run(0), {}};
  for (const auto& tensor : session.parameters.tensors()) step.gradients.push_back(tensor.grad().clone());
  return step;
}

double difference(const Step& a, const Step& b) {
  double square = 0, norm = 0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    square += (a.gradients[i] - b.gradients[i]).to(at::kDouble).square().sum().item<double>();
    norm += b.gradients[i].to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(square / norm);
}

TEST(Objective, CountsAlikeHoweverTheGlobalBatchIsCut) {
  const SmallTrial trial;
  const FewTargets objective;
  const Step whole = step_of(trial, objective, 12, 1);
  for (const std::int64_t pieces : {2, 3, 12}) {
    SCOPED_TRACE(pieces);
    const Step cut = step_of(trial, objective, 12 / pieces, pieces);
    EXPECT_NEAR(cut.result.loss, whole.result.loss, 1e-6 * whole.result.loss);
    EXPECT_NEAR(cut.result.terms.at("square"), whole.result.terms.at("square"), 1e-6);
    EXPECT_EQ(cut.result.tokens, whole.result.tokens);
    EXPECT_LT(difference(cut, whole), 2e-6);
  }
}

TEST(Objective, IsEvaluatedAlikeWhateverTheBatch) {
  const SmallTrial trial;
  const FewTargets objective;
  const Session session(trial.config, 1, trial.data);
  const std::vector<std::int64_t> numbers{0, 1, 2, 3, 4, 5, 6};
  const auto means = [&](std::int64_t most) {
    return mean_over_windows(session.model, objective, *trial.data, Split::kValidation, numbers, most,
                             at::kCPU, [](const Batch&) {});
  };
  const Means alone = means(1), together = means(7);
  for (const std::int64_t most : {2, 3, 5}) {
    EXPECT_NEAR(means(most).loss, together.loss, 1e-6);
    EXPECT_NEAR(means(most).terms.at("square"), together.terms.at("square"), 1e-6);
  }
  EXPECT_NEAR(alone.loss, together.loss, 1e-6);
}

// They have a part in what is minimised and none in what is reported as the loss.
TEST(Objective, AuxiliaryTermsAreMinimisedAndReportedApart) {
  class Without final : public Objective {
   public:
    Batch keyed(Batch batch, std::uint64_t seed) const override { return all_.keyed(batch, seed); }
    std::vector<double> counts(const Batch& batch) const override { return {all_.counts(batch)[0]}; }
    Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool) const override {
      return {.terms = {all_.run(model, batch, dropout, false).terms[0]}, .by_sequence_B = {}};
    }
    FewTargets all_;
  };
  class Square final : public Objective {
   public:
    std::vector<double> counts(const Batch& batch) const override { return {all_.counts(batch)[1]}; }
    Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool) const override {
      const auto terms = all_.run(model, batch, dropout, false).terms;
      return {.terms = {{.name = "loss", .mean = terms[1].mean}}, .by_sequence_B = {}};
    }
    FewTargets all_;
  };
  const SmallTrial trial;
  const Step with = step_of(trial, FewTargets(), 4, 2), without = step_of(trial, Without(), 4, 2),
             square = step_of(trial, Square(), 4, 2);
  EXPECT_EQ(with.result.loss, without.result.loss);
  EXPECT_GT(with.result.terms.at("square"), 0);
  EXPECT_TRUE(without.result.terms.empty());
  Step expected = without;
  for (std::size_t i = 0; i < expected.gradients.size(); ++i)
    expected.gradients[i] = without.gradients[i] + 0.25 * square.gradients[i];
  EXPECT_GT(difference(with, without), 1e-3);
  EXPECT_LT(difference(with, expected), 2e-6);
}

TEST(Objective, OfABatchInWhichNothingCountsIsRefused) {
  class Nothing final : public Objective {
   public:
    Batch keyed(Batch batch, std::uint64_t) const override {
      batch.targets = at::full_like(batch.targets, kIgnoreIndex);
      return batch;
    }
    std::vector<double> counts(const Batch& batch) const override { return all_.counts(batch); }
    Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool) const override {
      return all_.run(model, batch, dropout, false);
    }
    FewTargets all_;
  };
  EXPECT_THROW(step_of(SmallTrial(), Nothing(), 4, 2), c10::Error);
}

TEST(NextToken, WeightsItsTargets) {
  const SmallTrial trial;
  const Session session(trial.config, 1, trial.data);
  const std::vector<std::int64_t> numbers{0, 1, 2};
  Batch batch = trial.data->windows(Split::kValidation, numbers, trial.config.gpt.context);
  const auto objective = make_objective(trial.config, trial.data->vocabulary());
  const at::NoGradGuard no_grad;
  const auto plain = objective->run(session.model, batch, {}, true);
  EXPECT_EQ(objective->counts(batch)[0], batch.targets.numel());
  EXPECT_NEAR(plain.by_sequence_B.mean().item<double>(), plain.terms[0].mean.item<double>(), 1e-6);
  batch.weights = at::zeros(batch.targets.sizes(), at::kFloat);
  batch.weights[1].fill_(0.5);  // the second sequence alone
  const auto weighted = objective->run(session.model, batch, {}, false);
  EXPECT_NEAR(weighted.terms[0].mean.item<double>(), plain.by_sequence_B[1].item<double>(), 1e-6);
  EXPECT_EQ(objective->counts(batch)[0], 0.5 * static_cast<double>(trial.config.gpt.context));
}

}  // namespace
}  // namespace kablate
