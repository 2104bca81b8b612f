// Gates on models of data with labels: the program passes, and faults that only such data have are caught.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/audited.h"

namespace kablate {
namespace {

using Data = std::shared_ptr<const Dataset>;

Config labelled(const Deltas& more = {}) {
  return small_config(mechanisms(false, false, false) +
                      Deltas{{"DATASET", "recall"},
                             {"GPT2_BLOCK_SIZE", "20"},
                             {"SYNTHETIC_VOCAB_SIZE", "20"},
                             {"GPT2_VOCAB_SIZE", "32"}} +
                      more);
}

std::vector<GateCheck> audited_labels(const Config& config, const Subject& subject = program()) {
  return audit_step({1, config, false}, {0, labelled(), false}, subject);
}

TEST(LabelledGates, PassOnTheProgram) {
  for (const Deltas& deltas :
       {Deltas{}, Deltas{{"DTYPE", "bfloat16"}, {"ADAM_DECAY_ALL", "y"}}, mechanisms(true, true, true)}) {
    const auto checks = audited_labels(labelled(deltas));
    EXPECT_EQ(failed(checks), "");
    EXPECT_NE(detail(checks, "labels"), "");
    EXPECT_NE(detail(checks, "objective"), "");
  }
}

// Of few ids a period is often a shorter one said twice.
TEST(LabelledGates, PassOnRepetitionsWithinAPeriod) {
  for (const char* ids : {"4", "20"}) {
    const Config config =
        labelled({{"DATASET", "repeats"}, {"GPT2_BLOCK_SIZE", "16"}, {"SYNTHETIC_VOCAB_SIZE", ids}});
    EXPECT_EQ(failed(audit_step({1, config, false}, {0, config, false}, program())), "");
  }
}

// The same sequences, each position labelled with the next token.
class NextEverywhere final : public Dataset {
 public:
  explicit NextEverywhere(Data data) : data_(std::move(data)) {
    vocabulary_ = data_->vocabulary(), tokenizer_ = data_->tokenizer();
  }
  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override {
    return relabelled(data_->samples(seed, first, count, T));
  }
  std::int64_t num_windows(Split split, std::int64_t T) const override {
    return data_->num_windows(split, T);
  }
  Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const override {
    return data_->windows(split, numbers, T);
  }
  std::string hash() const override { return "next"; }

 private:
  static Batch relabelled(Batch batch) {
    batch.targets = batch.inputs.roll(-1, 1);
    return batch;
  }
  Data data_;
};

TEST(LabelledGates, ALoopThatLearnsOtherLabelsIsCaught) {
  Subject other = program();
  other.train = [](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
    return program().train(config, seed, std::make_shared<const NextEverywhere>(data), updates);
  };
  EXPECT_TRUE(fails(audited_labels(labelled(), other), "samples", "other tokens than the samples"));
}

TEST(LabelledGates, AnAccuracyOfSomethingElseIsCaught) {
  Subject other = program();
  other.train = [](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
    Training trained = program().train(config, seed, data, updates);
    trained.losses.terms["val_accuracy"] = trained.losses.terms["val_accuracy"] * 0.5 + 0.4;
    return trained;
  };
  EXPECT_TRUE(fails(audited_labels(labelled(), other), "evaluation", "of its labels"));
}

// Its head is asked everywhere, and what has no label counts as id 0.
TEST(LabelledGates, ALossOfWhatHasNoLabelIsCaught) {
  Subject other = program();
  other.terms = [](const Config& config, const ParameterSet& parameters, const Batch& batch,
                   std::uint64_t seed) {
    Batch all = batch;
    all.targets = batch.targets.clamp_min(0);
    return program().terms(config, parameters, all, seed);
  };
  EXPECT_TRUE(fails(audited_labels(labelled(), other), "objective", "of the labelled positions loss is"));
}

// A vector that does not decay where all should.
TEST(LabelledGates, AnOptimizerThatLeavesVectorsOutIsCaught) {
  Subject other = program();
  other.optimizer = [](OptimConfig config, const NamedParameters& parameters) {
    config.decay_all = false;
    return program().optimizer(config, parameters);
  };
  const auto config = labelled({{"ADAM_DECAY_ALL", "y"},
                                {"GPT2_LEARNING_RATE", "0.01"},
                                {"GPT2_WARMUP_STEPS", "0"},
                                {"NORM_KIND", "layernorm"}});
  EXPECT_TRUE(
      fails(audited_labels(config, other), "optimizer", "from where the optimizer's equations put it"));
}

}  // namespace
}  // namespace kablate
