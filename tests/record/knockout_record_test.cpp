#include "record/knockout_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "record/seal.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

KnockoutRecord knockout_example() {
  return {2.5, 8, {{"gate", 0, 2.75, 0.25, 0.125, 0.375}, {"gate", 2, 2.5, 0, {}, {}}}, std::string(64, 'a')};
}

TEST(KnockoutRecord, ComesBackFromItsFile) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  std::string problem;
  EXPECT_FALSE(read_knockout(folder, std::string(64, 'a'), &problem));
  EXPECT_EQ(problem, "");
  write_knockout(folder, knockout_example());
  EXPECT_EQ(read_knockout(folder, std::string(64, 'a'), &problem), knockout_example());
  EXPECT_EQ(problem, "");
}

TEST(KnockoutRecord, IsNotReadOfOtherWeightsOrWhereItIsAnother) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  write_knockout(folder, knockout_example());
  std::string problem;
  EXPECT_FALSE(read_knockout(folder, std::string(64, 'b'), &problem));
  EXPECT_THAT(problem, testing::HasSubstr("other weights"));
  write_file(folder.knockout(), sealed_text({{"weights_sha256", std::string(64, 'a')}, {"rows", 3}}));
  EXPECT_FALSE(read_knockout(folder, std::string(64, 'a'), &problem));
  EXPECT_THAT(problem, testing::HasSubstr("`kablate knockout` writes it anew"));
}

}  // namespace
}  // namespace kablate
