// The heads of models as maps for a terminal, and of a plan's trials as a table.
#include "report/heads_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "report/columns.h"
#include "report/render.h"
#include "report/table.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::Not;

HeadsRecord model(std::int64_t layers, std::int64_t heads, double induction) {
  HeadsRecord record;
  record.length = 8, record.sequences = 4, record.seed = 1, record.ids = 21;
  record.first_loss = 2.5, record.second_loss = 2.25;
  for (std::int64_t layer = 0; layer < layers; ++layer)
    for (std::int64_t head = 0; head < heads; ++head)
      record.heads.push_back({layer, head, layer + head == 1 ? induction : 0.03, 0, 0.5, 1, -1});
  return record;
}

TEST(HeadsMap, ShowsARowALayerWithNumbersAndShades) {
  const auto text = heads_map(model(2, 3, 0.87), 100, /*colour=*/false);
  EXPECT_THAT(text, HasSubstr("   head     0      1      2\n"
                              "      0   .03    .87█   .03\n"
                              "      1   .87█   .03    .03\n"));
  EXPECT_THAT(text, HasSubstr("      0 -1.00█ -1.00█ -1.00█\n"));
  EXPECT_THAT(text, HasSubstr("Strongest induction head: layer 0 head 1 (.87). 2 of 6 heads above .40."));
  EXPECT_THAT(text, HasSubstr("-0.2500."));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(heads_map(model(2, 3, 0.87), 100, /*colour=*/true), HasSubstr("\033[48;5;220"));
}

TEST(HeadsMap, IsNoWiderThanTheTerminal) {
  const auto text = heads_map(model(2, 12, 0.5), 50, /*colour=*/false);
  for (const auto& line : split(text, '\n')) EXPECT_LE(display_width(line), 50u) << line;
  EXPECT_THAT(text, HasSubstr("   head     6      7"));
}

TEST(StepHeads, AreCountedBySeedAndStep) {
  const testing_support::Experiment e(testing_support::ladder(3, {1, 2}));
  const auto looked = [&](std::int64_t step, std::int64_t seed, HeadsRecord record) {
    record.weights_sha256 = e.done(step, seed, 2).weights_sha256;
    write_heads(e.trial(step, seed), record);
  };
  looked(0, 1, model(2, 2, 0.2)), looked(0, 2, model(2, 2, 0.39));
  looked(1, 1, model(2, 2, 0.41));
  HeadsRecord longer = model(2, 2, 0.9);
  longer.length = 16;
  looked(1, 2, longer);
  e.done(2, 1, 2);
  const auto report = e.report();
  ASSERT_EQ(report.heads.size(), 3u);
  EXPECT_EQ(report.heads[0].step, 0);
  EXPECT_EQ(report.heads[0].seeds.size(), 2u);
  EXPECT_EQ(report.heads[0].with_induction(), 0);
  EXPECT_EQ(report.heads[1].with_induction(), 1);
  EXPECT_EQ(report.heads[2].step, 1) << "other sequences are another row";
  const auto table = heads_table(report);
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_THAT(table.rows[0],
              testing::ElementsAre("0", "arm0", "2", "0 of 2", ".30", "0.1 .20, 0.1 .39", "-1.00", ".50",
                                   "-0.2500", "", "", "", HasSubstr("2 x 8 ids, seed 1")));
  EXPECT_THAT(table.rows[1],
              testing::ElementsAre("1", "arm1", "1", "1 of 1", ".41", "0.1 .41", "-1.00", ".50", "-0.2500",
                                   "+0.2100", "", HasSubstr("not enough seeds"), _));
  EXPECT_THAT(table.rows[2].back(), HasSubstr("2 x 16 ids"));
  EXPECT_THAT(render_markdown(report), HasSubstr("## Induction heads"));
}

// Ten seeds, of which each gains as much, but for a little.
TEST(StepHeads, AreJudgedAgainstTheBaselineAsMoreIsBetter) {
  const auto seeds = testing_support::seeds(10);
  const testing_support::Experiment e(testing_support::ladder(3, seeds));
  for (const auto seed : seeds)
    for (const std::int64_t step : {0, 1, 2}) {
      HeadsRecord record = model(2, 2, 0.3 + 0.01 * static_cast<double>(seed % 3) + (step == 1 ? 0.4 : 0));
      for (auto& head : record.heads)
        if (step == 2) head.induction += seed % 2 == 0 ? 0.01 : -0.01;
      record.weights_sha256 = e.done(step, seed, 2).weights_sha256;
      write_heads(e.trial(step, seed), record);
    }
  const auto report = e.report();
  ASSERT_EQ(report.heads.size(), 3u);
  EXPECT_FALSE(report.heads[0].verdict);
  EXPECT_NEAR(report.heads[1].change->mean, 0.4, 1e-9);
  EXPECT_EQ(report.heads[1].verdict->kind, VerdictKind::kBetter);
  EXPECT_EQ(report.heads[2].verdict->kind, VerdictKind::kNoDifference);
}

}  // namespace
}  // namespace kablate
