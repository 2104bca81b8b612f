// The objective of masked models against itself: in pieces, beside others, and what must not count.
#include "train/masked_token.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "model/draw.h"
#include "support/engine/small_trial.h"
#include "train/session.h"
#include "train/train_step.h"

namespace kablate {
namespace {

using testing_support::SmallTrial;

const Deltas kMaskedTokens{
    {"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}, {"GPT2_DROPOUT", "0"}},
    kUniform{{"MASK_SCHEDULE", "uniform"}}, kCritic{{"CRITIC", "y"}};

StepResult first_update(const SmallTrial& trial, std::int64_t batch, std::int64_t accumulation,
                        std::vector<Tensor>* gradients) {
  Config config = trial.config;
  config.train.batch_size = batch, config.train.accumulation = accumulation;
  Session session(config, 1, trial.data);
  const auto result = session.train_step.run(0);
  for (const auto& tensor : session.parameters.tensors()) gradients->push_back(tensor.grad().clone());
  return result;
}

TEST(MaskedToken, IsTheSameHoweverTheGlobalBatchIsCut) {
  for (const Deltas& deltas : {Deltas{}, kUniform, kCritic, kUniform + kCritic}) {
    const SmallTrial trial(kMaskedTokens + deltas);
    std::vector<Tensor> of_whole;
    const auto whole = first_update(trial, 12, 1, &of_whole);
    for (const std::int64_t pieces : {2, 3, 12}) {
      std::vector<Tensor> of_pieces;
      const auto cut = first_update(trial, 12 / pieces, pieces, &of_pieces);
      EXPECT_NEAR(cut.loss, whole.loss, 1e-6 * whole.loss);
      EXPECT_EQ(cut.tokens, whole.tokens);
      for (const auto& [name, mean] : whole.terms) EXPECT_NEAR(cut.terms.at(name), mean, 1e-6) << name;
      double gap = 0, size = 0;
      for (std::size_t i = 0; i < of_whole.size(); ++i) {
        gap += (of_whole[i] - of_pieces[i]).to(at::kDouble).square().sum().item<double>();
        size += of_whole[i].to(at::kDouble).square().sum().item<double>();
      }
      EXPECT_LT(std::sqrt(gap / size), 1e-5);
    }
  }
}

// A batch of two sequences whose last positions are padding, and the model.
struct Padded {
  SmallTrial trial;
  Session session;
  std::shared_ptr<const Objective> objective;
  Batch batch;

  explicit Padded(const Deltas& deltas)
      : trial(kMaskedTokens + deltas),
        session(trial.config, 1, trial.data),
        objective(make_masked_token(trial.config, trial.data->vocabulary())) {
    const std::vector<std::int64_t> numbers{2, 5};
    batch = trial.data->windows(Split::kTrain, numbers, 16);
    batch.keep = at::ones({2, 16}, at::kBool);
    batch.keep[0].narrow(0, 9, 7).fill_(false);
    batch.keep[1].narrow(0, 3, 2).fill_(false);
  }
  Outcome run(const Batch& keyed, bool by_sequence = false) {
    for (const auto& tensor : session.parameters.tensors()) tensor.mutable_grad().reset();
    return objective->run(session.model, keyed, Dropout(), by_sequence);
  }
};

// Neither the loss nor any gradient changes by a bit with what stands at padded positions, before the masks
// are drawn and after.
TEST(MaskedToken, ReadsNoPadding) {
  for (const Deltas& deltas :
       {Deltas{}, kUniform, kCritic, kCritic + Deltas{{"DTYPE", "bfloat16"}},
        Deltas{
            {"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_CROSS_TOKEN", "y"}, {"RA_MLA_MLP_LATENT_RECIP", "y"}},
        mechanisms(false, false, false) + Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}}}) {
    Padded padded(deltas);
    Batch other = padded.batch;
    other.inputs =
        at::where(other.keep, other.inputs, other.inputs.add(3).remainder(padded.trial.data->vocabulary()));
    std::vector<double> means[2];
    std::vector<Tensor> gradients[2];
    for (const std::size_t i : {0, 1}) {
      Tensor sum;
      for (const auto& term : padded.run(padded.objective->keyed(i == 0 ? padded.batch : other, 1)).terms) {
        means[i].push_back(term.mean.item<double>());
        if (term.factor != 0) sum = sum.defined() ? sum + term.mean * term.factor : term.mean;
      }
      sum.backward();
      for (const auto& tensor : padded.session.parameters.tensors())
        gradients[i].push_back(tensor.grad().defined() ? tensor.grad().clone() : at::zeros({1}));
    }
    EXPECT_EQ(means[0], means[1]);
    for (std::size_t i = 0; i < gradients[0].size(); ++i)
      EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i])) << padded.session.parameters.specs()[i].name;
  }
}

// Each sequence's part, of which the mean is made.
TEST(MaskedToken, SaysWhatEachSequenceIsWorth) {
  for (const Deltas& deltas : {Deltas{}, kUniform}) {
    Padded padded(deltas);
    const at::NoGradGuard no_grad;
    const Batch keyed = padded.objective->keyed(padded.batch, 1);
    const auto outcome = padded.run(keyed, /*by_sequence=*/true);
    const Tensor counts =
        deltas.empty() ? keyed.targets.ne(kIgnoreIndex).sum(1).to(at::kDouble) : at::ones({2}, at::kDouble);
    EXPECT_NEAR(((outcome.by_sequence_B * counts).sum() / counts.sum()).item<double>(),
                outcome.terms[0].mean.item<double>(), 1e-6);
    for (std::int64_t b = 0; b < 2; ++b) {
      const auto one = [&](const Tensor& x) { return x.defined() ? x.narrow(0, b, 1) : x; };
      const Batch alone{.inputs = one(keyed.inputs),
                        .targets = one(keyed.targets),
                        .weights = one(keyed.weights),
                        .keep = one(keyed.keep)};
      EXPECT_NEAR(outcome.by_sequence_B[b].item<double>(), padded.run(alone).terms[0].mean.item<double>(),
                  1e-6);
    }
  }
}

// By chance no position of a small piece may be masked.
TEST(MaskedToken, IsNothingWhereNothingIsMasked) {
  Padded padded(kUniform + kCritic);
  Batch keyed = padded.objective->keyed(padded.batch, 1);
  keyed.targets.fill_(kIgnoreIndex);
  for (const auto& term : padded.run(keyed).terms) {
    EXPECT_EQ(term.mean.item<double>(), 0) << term.name;
  }
  EXPECT_EQ(padded.objective->counts(keyed), (std::vector<double>{2, 0, 0, 0}));
}

// So that updates go on: what by chance nothing reaches gets a gradient of 0, as what counts 0 does.
TEST(MaskedToken, GivesEveryParameterAGradient) {
  const Deltas short_ones = kUniform + kCritic + Deltas{{"GPT2_WEIGHT_TYING", "n"}, {"GPT2_BLOCK_SIZE", "2"}};
  for (const Deltas& deltas : {short_ones, kCritic + Deltas{{"CRITIC_WEIGHT", "0"}}}) {
    const SmallTrial trial(kMaskedTokens + deltas);
    Config config = trial.config;
    config.train.batch_size = 1, config.train.accumulation = 1;
    Session session(config, 1, trial.data);
    bool unmasked = false;
    for (std::int64_t i = 0; i < 60; ++i) {
      const auto result = session.train_step.run(i);
      EXPECT_TRUE(result.update.finite);
      unmasked = unmasked || result.loss == 0;
    }
    EXPECT_EQ(unmasked, deltas == short_ones) << "of two positions sometimes none is masked";
  }
}

// Ids go as their probabilities, and what is -inf never does.
TEST(DrawRows, PassesTheCumulativeProbability) {
  const double none = -std::numeric_limits<double>::infinity();
  const Tensor scores = at::tensor({std::log(0.2), none, std::log(0.5), std::log(0.3)}, at::kDouble);
  for (const auto& [u, place] :
       {std::pair{0.0, 0}, {0.19, 0}, {0.21, 2}, {0.69, 2}, {0.71, 3}, {1 - 1e-16, 3}})
    EXPECT_EQ(draw_rows(scores.unsqueeze(0), at::tensor({u}, at::kDouble)).item<std::int64_t>(), place) << u;
}

}  // namespace
}  // namespace kablate
