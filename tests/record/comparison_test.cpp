#include "record/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/reader.h"
#include "record/seal.h"
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
    write_results(folder, weights);
    summary.key = hex(sha256("key\n"));
    finish_again(folder, summary);
  }

  ResultComparison compare() const { return compare_results(a, *finished(a), b, *finished(b)); }
  static std::vector<std::string> damage(const TrialFolder& folder) {
    return find_damage(folder, *finished(folder));
  }
  // Changes a file of a trial as if it had ended so.
  static void replace_and_finish(const TrialFolder& folder, const std::filesystem::path& path,
                                 const std::string& old, const std::string& text) {
    const auto summary = *finished(folder);
    replace(path, old, text);
    finish_again(folder, summary);
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
  replace_and_finish(b, b.metrics(), "\"ms\":5.0", "\"ms\":6.5");
  EXPECT_TRUE(compare().equal());
}

TEST_F(Comparison, FindsOtherWeightsUnderEqualLosses) {
  make(b, "other weights");
  EXPECT_EQ(compare().describe(), "weights, although the loss logs are equal");
}

TEST_F(Comparison, SaysWhereLossesPart) {
  replace_and_finish(b, b.metrics(), "\"loss\":3.5", "\"loss\":3.25");
  EXPECT_EQ(compare().describe(), "first at iteration 10 (loss 3.5 -> 3.25)");
}

TEST_F(Comparison, SaysWhichLogIsShorter) {
  const auto text = read_text(b.metrics());
  replace_and_finish(b, b.metrics(), text.substr(text.find('\n') + 1), "");
  EXPECT_EQ(compare().describe(), "first at iteration 20 (the second log has no such row)");
}

TEST_F(Comparison, FindsAnotherFinalLoss) {
  auto summary = *finished(b);
  summary.val_loss = std::nextafter(2.5, 3);
  finish_again(b, summary);
  EXPECT_EQ(compare().describe(), "final losses, although the loss logs are equal");
}

TEST_F(Comparison, FindsAnotherFinalAccuracy) {
  auto summary = *finished(b);
  summary.val_macro_accuracy = 0.5;
  finish_again(b, summary);
  EXPECT_EQ(compare().describe(), "final losses, although the loss logs are equal");
}

TEST_F(Comparison, OfADamagedLogIsRefused) {
  replace(b.metrics(), "\"loss\":3.5", "\"loss\":3.25");
  EXPECT_THROW(compare_loss_logs(a, b), FileFault);
}

TEST_F(Comparison, WholeFilesHaveNoDamage) { EXPECT_THAT(damage(a), IsEmpty()); }

TEST_F(Comparison, EachFileThatWasChangedIsNamed) {
  write_file(a.weights(), "weightt");
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("weights.safetensors: does not have the SHA-256")));
  std::filesystem::remove(a.weights());
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("weights.safetensors: is missing")));
  make(a, "weights");
  write_file(a.weights_checksum(), "0");
  replace(a.metrics(), "3.5", "3.4");
  write_file(a.key(), "another key\n");
  EXPECT_THAT(damage(a),
              ElementsAre(HasSubstr("key.txt: does not have"), HasSubstr("metrics.jsonl: does not have"),
                          HasSubstr("weights.sha256: does not have")));
}

TEST_F(Comparison, RowsThatAreNoneAreDamage) {
  const auto summary = *finished(a);
  write_file(a.metrics(), read_text(a.metrics()) + "?\n");
  finish_again(a, summary);
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("metrics.jsonl:3: no row of metrics")));
}

TEST_F(Comparison, ASummaryThatItsLogDoesNotBearOutIsDamage) {
  auto summary = *finished(a);
  summary.val_loss = 2.25;
  finish_again(a, summary);
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("not those of the last evaluation")));
  summary.val_loss = finished(b)->val_loss, summary.val_accuracy = 0.5;
  finish_again(a, summary);
  EXPECT_THAT(damage(a), ElementsAre(HasSubstr("not those of the last evaluation")));
}

TEST_F(Comparison, AFolderUnderAnotherKeysNameIsDamage) {
  const TrialFolder named(temporary.path() / "step0-arm.seed1.0123456789ab");
  make(named, "weights");
  EXPECT_THAT(damage(named), ElementsAre(HasSubstr("the folder's name holds another key")));
}

}  // namespace
}  // namespace kablate
