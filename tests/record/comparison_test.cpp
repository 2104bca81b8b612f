#include "record/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/reader.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;

// Two finished trials with real files; a test changes one of them.
class Comparison : public testing::Test {
 protected:
  Comparison() {
    for (const auto* folder : {&a, &b}) make(*folder, "weights");
  }

  static void make(const TrialFolder& folder, const std::string& weights) {
    auto summary = finish(folder, 0, 1, 2.5);
    write_file(folder.weights(), weights);
    summary.weights_sha256 = hex(sha256(weights));
    write_file(folder.weights_checksum(), summary.weights_sha256 + "  weights.safetensors\n");
    summary.key = hex(sha256("key\n"));
    finish_trial(folder, summary);
  }

  ResultComparison compare() const { return compare_results(a, *finished(a), b, *finished(b)); }
  static std::vector<std::string> damage(const TrialFolder& folder) {
    return find_damage(folder, *finished(folder));
  }
  static void replace(const std::filesystem::path& path, const std::string& old, const std::string& text) {
    auto content = read_text(path);
    ASSERT_NE(content.find(old), std::string::npos) << path;
    write_file(path, content.replace(content.find(old), old.size(), text));
  }

  TemporaryFolder temporary;
  TrialFolder a{temporary.path() / "a"}, b{temporary.path() / "b"};
};

TEST_F(Comparison, OfEqualTrialsSaysNothing) {
  EXPECT_TRUE(compare().equal());
  EXPECT_EQ(compare().describe(), "");
}

TEST_F(Comparison, LeavesTheClockOut) {
  replace(b.metrics(), "\"ms\":5.0", "\"ms\":6.5");
  EXPECT_TRUE(compare().equal());
}

TEST_F(Comparison, FindsOtherWeightsUnderEqualLosses) {
  make(b, "other weights");
  EXPECT_EQ(compare().describe(), "weights, although the loss logs are equal");
}

TEST_F(Comparison, SaysWhereLossesPart) {
  replace(b.metrics(), "\"loss\":3.5", "\"loss\":3.25");
  EXPECT_EQ(compare().describe(), "first at iteration 10 (loss 3.5 -> 3.25)");
}

TEST_F(Comparison, SaysWhichLogIsShorter) {
  const auto text = read_text(b.metrics());
  write_file(b.metrics(), text.substr(0, text.find('\n') + 1));
  EXPECT_EQ(compare().describe(), "first at iteration 20 (the second log has no such row)");
}

TEST_F(Comparison, FindsAnotherFinalLoss) {
  auto summary = *finished(b);
  summary.val_loss = std::nextafter(2.5, 3);
  finish_trial(b, summary);
  EXPECT_EQ(compare().describe(), "final losses, although the loss logs are equal");
}

TEST_F(Comparison, WithoutAChecksumIsNotEqual) {
  for (const auto* folder : {&a, &b}) {
    auto summary = *finished(*folder);
    summary.weights_sha256 = "";
    finish_trial(*folder, summary);
  }
  EXPECT_FALSE(compare().weights_equal);
}

TEST_F(Comparison, WholeFilesHaveNoDamage) { EXPECT_THAT(damage(a), IsEmpty()); }

TEST_F(Comparison, EachFileThatWasChangedIsNamed) {
  write_file(a.weights(), "weightt");
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("weights.safetensors has not the SHA-256")));
  std::filesystem::remove(a.weights());
  EXPECT_THAT(damage(a), ElementsAre("weights.safetensors is missing"));
  make(a, "weights");
  write_file(a.weights_checksum(), "0");
  replace(a.metrics(), "3.5", "3.4");
  write_file(a.key(), "another key\n");
  EXPECT_THAT(damage(a),
              ElementsAre(HasSubstr("weights.sha256"), HasSubstr("metrics.jsonl has not the losses"),
                          HasSubstr("key.txt is not the text")));
}

TEST_F(Comparison, RowsThatAreNoneAreDamage) {
  write_file(a.metrics(), read_text(a.metrics()) + "?\n");
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("metrics.jsonl:3: no row of metrics")));
}

TEST_F(Comparison, ASummaryThatItsLogDoesNotBearOutIsDamage) {
  auto summary = *finished(a);
  summary.val_loss = 2.25;
  finish_trial(a, summary);
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("not those of the last evaluation")));
}

TEST_F(Comparison, AFolderUnderAnotherKeysNameIsDamage) {
  const TrialFolder named(temporary.path() / "step0-arm.seed1.0123456789ab");
  make(named, "weights");
  EXPECT_THAT(damage(named), ElementsAre(HasSubstr("the folder's name holds another key")));
}

}  // namespace
}  // namespace kablate
