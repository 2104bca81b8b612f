// A trial's end against its weights: what is right, and every planted way to report something else.
#include "train/closing.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/stream_dataset.h"
#include "record/reader.h"
#include "support/core/expect_error.h"
#include "support/engine/small_trial.h"
#include "train/trainer.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using testing_support::SmallTrial;

const Deltas kMasked{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}};

class OtherData final : public StreamDataset {
 public:
  OtherData(const TokenStream& train, const TokenStream& validation, const Dataset& like) {
    train_ = train, validation_ = validation, vocabulary_ = like.vocabulary(), tokenizer_ = like.tokenizer();
  }
  std::string hash() const override { return "other"; }
};

// A trial after its last update, its weights in a file.
class Closing : public testing::Test {
 protected:
  void train(const Deltas& deltas = {}) {
    trial = std::make_unique<SmallTrial>(deltas);
    trainer = std::make_unique<Trainer>(trial->config, 1, trial->data);
    while (!trainer->done()) {
      before_last = trainer->evaluate();
      if (trainer->iteration() + 1 == trial->config.train.max_iters) write("before last");
      static_cast<void>(trainer->update());
    }
    write("last");
    last = trainer->evaluate();
  }
  void write(const std::string& name) const {
    write_safetensors(trial->path() / name, trainer->session().parameters.by_name());
  }
  std::string fault(const EvaluationRow& recorded, const std::string& weights = "last") const {
    return closing_fault(trial->config, trial->path() / weights, recorded, *trial->data, [] {});
  }
  // What an evaluation of the last weights records with a fault of its own.
  EvaluationRow evaluated(const Config& config, const std::shared_ptr<const Dataset>& data) const {
    Trainer other(config, 1, data);
    other.restore(trainer->state());
    return other.evaluate();
  }
  EvaluationRow with_loss(const std::optional<double>& loss) const {
    EvaluationRow row = last;
    row.val_loss = loss;
    return row;
  }

  std::unique_ptr<SmallTrial> trial;
  std::unique_ptr<Trainer> trainer;
  EvaluationRow before_last, last;
};

TEST_F(Closing, PassesWhatTheTrialReports) {
  for (const auto& deltas : {Deltas{}, Deltas{{"GPT2_EVAL_SAMPLES", "0"}}, Deltas{{"GPT2_EVAL_SAMPLES", "5"}},
                             Deltas{{"DTYPE", "bfloat16"}}, kMasked,
                             kMasked + Deltas{{"MASK_SCHEDULE", "uniform"}, {"CRITIC", "y"}},
                             Deltas{{"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_CROSS_TOKEN", "y"}}}) {
    train(deltas);
    EXPECT_EQ(fault(last), "");
  }
}

TEST_F(Closing, FindsALossThatIsNotTheLastOne) {
  train();
  ASSERT_GT(std::abs(*before_last.val_loss - *last.val_loss), 1e-4);
  EXPECT_THAT(fault(with_loss(before_last.val_loss)), HasSubstr("the weights give"));
  EXPECT_THAT(fault(before_last), HasSubstr("iteration 11, the last is 12"));
  EXPECT_THAT(fault(with_loss({})), HasSubstr("the weights give"));
  EXPECT_THAT(fault(with_loss(*last.val_loss * (1 + 3e-5))), HasSubstr("the weights give"));
}

TEST_F(Closing, FindsWeightsOfAnotherIteration) {
  train();
  EXPECT_THAT(fault(last, "before last"), HasSubstr("the weights give"));
}

TEST_F(Closing, FindsWeightsThatAreNotTheModels) {
  train();
  EXPECT_THAT(fault(last, "text"), HasSubstr("text"));
}

TEST_F(Closing, FindsAnEvaluationOfTheTrainingSplit) {
  train();
  const auto leaked = std::make_shared<const OtherData>(streams_of(*trial->data).train(),
                                                        streams_of(*trial->data).train(), *trial->data);
  const auto row = evaluated(trial->config, leaked);
  EXPECT_THAT(fault(row), HasSubstr("read other tokens"));
  EXPECT_THAT(fault(with_loss(row.val_loss)), HasSubstr("the weights give"));
}

TEST_F(Closing, FindsAWindowFewer) {
  train();
  Config fewer = trial->config;
  --fewer.train.eval_samples;
  const auto row = evaluated(fewer, trial->data);
  EXPECT_THAT(fault(row), HasSubstr("read other tokens"));
  EXPECT_THAT(fault(with_loss(row.val_loss)), HasSubstr("the weights give"));
}

TrialOrder with_share(TrialOrder order, double share) {
  order.closing_share = share;
  return order;
}

constexpr double kAny = std::numeric_limits<double>::infinity();

TEST(LastAct, ClosesWhereItIsCheapAndSaysSo) {
  for (const bool cheap : {true, false}) {
    const SmallTrial trial(Deltas{{"GPT2_MAX_ITERS", "4"}});
    const TrialFolder folder(trial.path() / "trial");
    run_trial(folder, with_share(trial.order(), cheap ? kAny : 0), trial.config);
    EXPECT_THAT(read_text(folder.log()),
                HasSubstr(cheap ? "closing: the weights as written give the validation loss"
                                : "closing: left out, "));
  }
}

TEST(IsSameLoss, AllowsForRoundingOfLargeAndOfSmallLosses) {
  for (const double found : {2.5, 1e-4, 0.0}) {
    EXPECT_TRUE(is_same_loss(found + 5e-7, found, DType::kFloat32)) << found;
    EXPECT_FALSE(is_same_loss(found + 4e-5, found, DType::kFloat32)) << found;
  }
  EXPECT_TRUE(is_same_loss(2.5 + 1e-3, 2.5, DType::kBFloat16));
  EXPECT_FALSE(is_same_loss(2.5 + 4e-3, 2.5, DType::kBFloat16));
  for (const double none : {std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_FALSE(is_same_loss(none, 2.5, DType::kFloat32));
}

}  // namespace
}  // namespace kablate
