// The head at labelled positions against the head everywhere, and what is counted of its answers.
#include "train/labelled.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "interchange/safetensors.h"
#include "shape/model_shape.h"
#include "support/engine/small_trial.h"
#include "train/closing.h"
#include "train/evaluator.h"
#include "train/session.h"
#include "train/trainer.h"

namespace kablate {
namespace {

using testing_support::SmallTrial;

const Deltas kRecall{{"DATASET", "in_context_recall"},
                     {"SYNTHETIC_VOCAB_SIZE", "12"},
                     {"SYNTHETIC_TRAIN", "50"},
                     {"SYNTHETIC_TEST", "20"},
                     {"GPT2_DROPOUT", "0"}};

struct FoundLabels {
  double loss = 0;
  std::vector<Tensor> gradients;
};

// Of the mean over labels, by `loss` of a head that is asked everywhere.
template <typename Loss>
FoundLabels found(const Config& config, const ParameterSet& parameters, const Batch& batch, Loss loss) {
  for (const auto& tensor : parameters.tensors()) tensor.mutable_grad().reset();
  const Tensor mean = loss(Gpt(config, parameters).head(batch.inputs), batch);
  mean.backward();
  FoundLabels result{mean.item<double>(), {}};
  for (const auto& tensor : parameters.tensors()) result.gradients.push_back(tensor.grad().clone());
  return result;
}

// On the batches of ten iterations, in float64, in pieces too.
TEST(Labelled, HeadGivesTheLossAndGradientsOfTheFullOne) {
  const SmallTrial trial(kRecall);
  const auto parameters =
      ParameterSet::initialized(model_parameters(trial.config), 1).to(at::kCPU, at::kDouble);
  for (const bool pieces : {false, true}) {
    Config config = trial.config;
    if (pieces) config.limits.logits = 1, config.limits.logit_rows = 3;
    for (std::uint64_t iteration = 0; iteration < 10; ++iteration) {
      const Batch batch = trial.data->samples(3, 4 * iteration, 4, 16);
      const auto few = found(config, parameters, batch,
                             [](const Head& head, const Batch& b) { return Labelled(head, b).mean(); });
      const auto all = found(trial.config, parameters, batch, [](const Head& head, const Batch& b) {
        return cross_entropy(head.logits(), b.targets);
      });
      EXPECT_NEAR(few.loss, all.loss, 1e-12 * all.loss);
      for (std::size_t i = 0; i < all.gradients.size(); ++i)
        EXPECT_LE((few.gradients[i] - all.gradients[i]).norm().item<double>(),
                  1e-12 * all.gradients[i].norm().item<double>() + 1e-18)
            << parameters.specs()[i].name;
    }
  }
}

// What training, evaluation and looks get is that, of each batch and each sequence.
TEST(Labelled, ObjectiveIsTheMeanOverLabels) {
  const SmallTrial trial(kRecall);
  const Session session(trial.config, 1, trial.data);
  const Batch batch = trial.data->samples(3, 0, 6, 16);
  const double labels = batch.targets.ne(kIgnoreIndex).sum().item<double>();
  EXPECT_EQ(session.objective->counts(batch), std::vector<double>{labels});
  EXPECT_FALSE(session.objective->run(session.model, batch, {}).said_M.defined()) << "training asks no one";
  const at::NoGradGuard no_grad;
  const auto outcome = session.objective->run(session.model, batch, {}, true);
  const Tensor logits = session.model.logits(batch.inputs);
  EXPECT_NEAR(outcome.terms[0].mean.item<double>(), cross_entropy(logits, batch.targets).item<double>(),
              1e-6);
  EXPECT_TRUE(at::allclose(outcome.by_sequence_B, sequence_cross_entropy(logits, batch.targets), 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(outcome.labels_M, batch.targets.index({batch.targets.ne(kIgnoreIndex)})));
  EXPECT_TRUE(at::equal(outcome.said_M, logits.argmax(2).index({batch.targets.ne(kIgnoreIndex)})));
}

// Sequences have from 1 to 7 labels: neither pieces nor batches of evaluation may weigh them alike.
TEST(Labelled, LossIsTheSameHoweverTheGlobalBatchIsCut) {
  const SmallTrial trial(kRecall);
  std::vector<double> losses, norms, evaluated, accuracies;
  for (const std::int64_t pieces : {1, 2, 3, 6}) {
    Config config = trial.config;
    config.train.batch_size = 6 / pieces, config.train.accumulation = pieces;
    Trainer trainer(config, 1, trial.data);
    const auto before = trainer.evaluate();
    evaluated.push_back(*before.val_loss), accuracies.push_back(before.terms.at("val_accuracy"));
    const Update update = trainer.update();
    losses.push_back(*update.row.loss), norms.push_back(*update.row.grad_norm);
  }
  for (std::size_t i = 1; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], losses[0], 1e-6);
    EXPECT_NEAR(norms[i], norms[0], 1e-5 * norms[0]);
    EXPECT_NEAR(evaluated[i], evaluated[0], 1e-6);
    EXPECT_EQ(accuracies[i], accuracies[0]);
  }
}

TEST(AccuracyTally, CountsByHand) {
  AccuracyTally tally;
  const auto ids = [](std::vector<std::int64_t> list) { return at::tensor(list, at::kLong); };
  tally.add(ids({1, 1, 2}), ids({1, 2, 2}));
  tally.add(ids({3, 9}), ids({3, 1}));
  EXPECT_EQ(tally.count(), 5);
  EXPECT_DOUBLE_EQ(tally.micro(), 3.0 / 5);
  // Id 1: one of 2 right. Id 2: one of 2. Id 3: 1 of 1. Id 9 was said and is no label: 0.
  EXPECT_DOUBLE_EQ(tally.macro(), (0.5 + 0.5 + 1 + 0) / 4);
}

// An evaluation's accuracies are those of the logits, over both splits' windows.
TEST(Labelled, EvaluationCountsWhatIsRight) {
  const SmallTrial trial(kRecall + Deltas{{"GPT2_EVAL_SAMPLES", "0"}});
  Trainer trainer(trial.config, 4, trial.data);
  for (int i = 0; i < 12; ++i) trainer.update();
  const auto row = trainer.evaluate();
  const at::NoGradGuard no_grad;
  const auto& session = trainer.session();
  for (const auto split : {Split::kTrain, Split::kValidation}) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t j = 0; j < 20; ++j) numbers.push_back(split == Split::kTrain ? j * 50 / 20 : j);
    const Batch batch = as_trained_on(trial.data, 4)->windows(split, numbers, 16);
    const Tensor said = batch.targets.ne(kIgnoreIndex),
                 right = session.model.logits(batch.inputs).argmax(2).eq(batch.targets);
    EXPECT_NEAR(row.terms.at(split == Split::kTrain ? "train_accuracy" : "val_accuracy"),
                right.sum().item<double>() / said.sum().item<double>(), 1e-12);
  }
}

// Closing reads the training set of the trial's own seed, and counts what its weights get right.
TEST(Labelled, ClosingSeesAnotherAccuracyAndAnotherTrainingSet) {
  const SmallTrial trial(kRecall);
  Trainer trainer(trial.config, 2, trial.data);
  while (!trainer.done()) trainer.update();
  const auto row = trainer.evaluate();
  const auto& data = *trainer.session().data;
  EXPECT_EQ(windows_fault(trial.config, row, data), "");
  EXPECT_NE(windows_fault(trial.config, row, *trial.data), "") << "seed 0's";
  const auto weights = trial.path() / "w.safetensors";
  write_safetensors(weights, trainer.state().weights);
  const auto closing = [&](const EvaluationRow& recorded) {
    return closing_fault(trial.config, weights, recorded, data, [] {});
  };
  EXPECT_EQ(closing(row), "");
  auto boasting = row;
  boasting.terms["val_accuracy"] += 0.1;
  EXPECT_NE(closing(boasting).find("the recorded accuracy is"), std::string::npos);
}

}  // namespace
}  // namespace kablate
