#include "record/heads_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

HeadsRecord example() {
  HeadsRecord record;
  record.length = 8, record.sequences = 4, record.seed = 3, record.ids = 21;
  record.first_loss = 2.5, record.second_loss = 1.25, record.weights_sha256 = std::string(64, 'a');
  record.heads = {{0, 0, 0.1, 0.2, 0.9, 1.5, -0.25}, {1, 0, 0.75, 0.01, 0.02, 0.5, 1}};
  return record;
}

TEST(HeadsRecord, ComesBackFromItsFile) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  std::string problem;
  EXPECT_FALSE(read_heads(folder, "", &problem));
  EXPECT_EQ(problem, "");
  HeadsRecord of_file = example();
  of_file.seed.reset(), of_file.ids.reset();
  for (const auto& record : {example(), of_file}) {
    write_heads(folder, record);
    EXPECT_EQ(read_heads(folder, record.weights_sha256, &problem), record);
    EXPECT_EQ(problem, "");
  }
}

TEST(HeadsRecord, IsNotReadOfOtherWeightsOrDamaged) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  write_heads(folder, example());
  std::string problem;
  EXPECT_FALSE(read_heads(folder, std::string(64, 'b'), &problem));
  EXPECT_THAT(problem, testing::HasSubstr("other weights"));
  std::string text = read_text(folder.heads());
  text.replace(text.find("0.75"), 4, "0.95");
  write_file(folder.heads(), text);
  EXPECT_FALSE(read_heads(folder, std::string(64, 'a'), &problem));
  EXPECT_THAT(problem, testing::HasSubstr("`kablate heads` writes it anew"));
}

TEST(HeadsRecord, NamesTheHeadWithTheMostOfAScore) {
  const auto record = example();
  EXPECT_EQ(record.most(&HeadScores::induction), &record.heads[1]);
  EXPECT_EQ(record.most(&HeadScores::previous), &record.heads[0]);
  EXPECT_EQ(HeadsRecord().most(&HeadScores::previous), nullptr);
}

}  // namespace
}  // namespace kablate
