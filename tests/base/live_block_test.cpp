// Lines that are written over on a terminal, as the terminal has them.
#include "base/live_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kablate {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kGreen = "\033[32m";

TEST(VisibleWidth, CountsCharactersAndNoColours) {
  EXPECT_EQ(visible_width(""), 0u);
  EXPECT_EQ(visible_width("abc"), 3u);
  EXPECT_EQ(visible_width("Δ±ρ"), 3u);
  EXPECT_EQ(visible_width(std::string(kGreen) + "abc\033[0m"), 3u);
}

TEST(CutTo, CutsBetweenCharactersAndEndsColours) {
  EXPECT_EQ(cut_to("abcdef", 4), "abcd");
  EXPECT_EQ(cut_to("abcd", 4), "abcd");
  EXPECT_EQ(cut_to("Δ±ρ", 2), "Δ±");
  EXPECT_EQ(cut_to(std::string(kGreen) + "abc\033[0mdef", 2), std::string(kGreen) + "ab\033[0m");
  EXPECT_EQ(cut_to(std::string("ab") + kGreen + "cd\033[0m", 4), std::string("ab") + kGreen + "cd\033[0m");
}

TEST(LiveBlock, GoesUpByAsManyRowsAsItWrote) {
  LiveBlock block(/*reflows=*/true);
  EXPECT_EQ(block.replace({"one", "two"}, {80, 24}), "one\ntwo\n");
  EXPECT_EQ(block.replace({"three"}, {80, 24}), "\r\033[2A\033[Jthree\n");
  EXPECT_EQ(block.remove({80, 24}), "\r\033[1A\033[J");
  EXPECT_EQ(block.remove({80, 24}), "") << "it is gone already";
}

TEST(LiveBlock, LeavesTheLastColumnAndARowForTheCursor) {
  LiveBlock block(true);
  EXPECT_EQ(block.replace({std::string(100, 'x')}, {10, 24}), std::string(9, 'x') + "\n");
  EXPECT_EQ(block.replace({"a", "b", "c", "d"}, {10, 3}), "\r\033[1A\033[Ja\nb\n");
}

TEST(LiveBlock, KnowsThatANarrowerTerminalBreaksWhatStandsThere) {
  const std::vector<std::string> lines{std::string(79, 'x'), "short", ""};
  LiveBlock reflowing(true), cutting(false);
  reflowing.replace(lines, {80, 24}), cutting.replace(lines, {80, 24});
  EXPECT_THAT(reflowing.remove({30, 24}), HasSubstr("\033[5A")) << "three rows, one and one";
  EXPECT_THAT(cutting.remove({30, 24}), HasSubstr("\033[3A"));
}

}  // namespace
}  // namespace kablate
