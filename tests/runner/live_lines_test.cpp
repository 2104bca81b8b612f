// What stands on a terminal of any size while trials run.
#include "runner/live_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kablate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

RunFacts two_trials() {
  RunFacts run;
  run.trials.push_back({"step 2 gate+cross, seed 1", 240, 600, 2.47131, 52'300.0, 63.0});
  run.trials.push_back({"step 12 mla, params of 2, seed 10", 59'999, 60'000, 11.25, 1'234'567.0, 7'380.0});
  run.done = 3, run.planned = 18, run.seconds_left = 250;
  return run;
}

TEST(LiveLines, SayEverythingAt80Columns) {
  const auto lines = live_lines(two_trials(), {80, 24}, /*colour=*/false);
  ASSERT_EQ(lines.size(), 4u) << "a heading, two trials, all of them";
  for (const auto* fact : {"step 2 gate+cross", "  ##....  ", " 240/600", " 2.4713", " 52.3k", " 1 min 03 s"})
    EXPECT_THAT(lines[1], HasSubstr(fact));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("59999/60000"), HasSubstr("1.2M"), HasSubstr("2 h 03 min")));
  EXPECT_EQ(lines[3], "3 of 18 trials done, about 4 min 10 s left in all");
  EXPECT_EQ(lines[1].size(), lines[2].size()) << "columns stand below one another";
}

TEST(LiveLines, FitAnyTerminal) {
  auto run = two_trials();
  run.failed = 2;
  for (int i = 0; i < 30; ++i) run.trials.push_back(run.trials[static_cast<std::size_t>(i) % 2]);
  for (std::size_t columns = 1; columns <= 130; ++columns)
    for (std::size_t rows = 1; rows <= 40; ++rows)
      for (const bool colour : {false, true}) {
        const auto lines = live_lines(run, {columns, rows}, colour);
        ASSERT_LE(lines.size(), std::max<std::size_t>(rows, 2) - 1) << columns << " x " << rows;
        for (const auto& line : lines)
          ASSERT_LE(visible_width(line), std::max<std::size_t>(columns, 2) - 1) << line;
      }
}

TEST(LiveLines, KeepWhatMattersWhereThereIsLittleRoom) {
  const auto lines = live_lines(two_trials(), {40, 24}, false);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("step 2"), HasSubstr("240/600"), HasSubstr("1 min 03 s")));
  EXPECT_THAT(lines[1], Not(HasSubstr("#")));
  const auto low = live_lines(two_trials(), {80, 3}, false);
  ASSERT_EQ(low.size(), 2u);
  EXPECT_THAT(low[1], HasSubstr("1 more at work than fit here"));
}

TEST(LiveLines, HaveColoursOnlyWhereAsked) {
  auto run = two_trials();
  run.failed = 1;
  for (const auto& line : live_lines(run, {80, 24}, false)) EXPECT_THAT(line, Not(HasSubstr("\033")));
  const auto lines = live_lines(run, {80, 24}, true);
  EXPECT_THAT(lines[1], HasSubstr("\033[32m#"));
  EXPECT_THAT(lines[3], HasSubstr("\033[31m1 failed\033[0m"));
}

TEST(LiveLines, SayWhatIsNotKnownYet) {
  RunFacts run;
  run.trials.push_back({"step 0 mla, seed 1", 0, 600, {}, {}, {}});
  run.trials.push_back({"step 1 gate, seed 1", 1, 600, {}, {}, 0.2});
  run.planned = 2;
  const auto lines = live_lines(run, {80, 24}, false);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("0/600"), Not(HasSubstr("nan")), HasSubstr("?")));
  EXPECT_THAT(lines[2], HasSubstr("  1 s")) << "never none while it runs";
  EXPECT_THAT(lines[3], HasSubstr("time left in all not known yet"));
}

TEST(PlainLine, SaysTheSameAsASentence) {
  const auto run = two_trials();
  EXPECT_EQ(plain_line(run.trials[0], run),
            "step 2 gate+cross, seed 1: iteration 240 of 600, loss 2.4713, 52.3k tokens/s, about 1 min 03 s "
            "left; 3 of 18 trials done, about 4 min 10 s left in all");
}

}  // namespace
}  // namespace kablate
