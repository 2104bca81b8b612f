// Arms against their matched controls, in reports on experiments made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "report/columns.h"
#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::ladder;

TEST(MatchedControl, StandsAgainstItsArm) {
  auto plan = ladder(3, {1, 2, 3});
  plan.steps[1].name = "gate+cross";
  plan.steps[2].control = "parameters", plan.steps[2].control_of = 1, plan.steps[2].name = "mla, params of 1";
  Experiment e(plan);
  const double arm[] = {2.9, 2.8, 2.9}, control[] = {2.7, 2.65, 2.75};
  for (int i = 0; i < 3; ++i) e.done(0, i + 1, 3), e.done(1, i + 1, arm[i]), e.done(2, i + 1, control[i]);
  const auto report = e.report();
  const auto expected = paired_difference(arm, control);
  EXPECT_EQ(report.rows[2].versus_control->mean, expected.mean) << "the arm minus its control: worse";
  EXPECT_EQ(report.rows[2].versus_control->interval->low, expected.interval->low);
  EXPECT_FALSE(report.rows[1].versus_control);
  for (const auto& text : {render_terminal(report, 140), render_markdown(report)}) {
    EXPECT_THAT(text, HasSubstr("Against matched controls"));
    EXPECT_THAT(text, HasSubstr("2 mla, params of 1"));
    EXPECT_THAT(text, HasSubstr("+0.1667"));
  }
  plan.steps.pop_back();
  Experiment without(plan);
  for (int i = 0; i < 3; ++i) without.done(0, i + 1, 3), without.done(1, i + 1, arm[i]);
  EXPECT_THAT(render_terminal(without.report(), 140), Not(HasSubstr("matched controls")));
}

// At the arm's parameters the arm minus the control; at the baseline's the wider arm minus the baseline.
// By arm.
TEST(MatchedControl, OfFewerParametersStandsBesideItsArm) {
  auto plan = ladder(7, {1, 2});
  plan.steps[1].name = "shared 2", plan.steps[2].name = "shared 4";
  const auto control = [&](std::size_t step, const char* kind, std::int64_t of) {
    plan.steps[step].control = kind, plan.steps[step].control_of = of;
    plan.steps[step].name = str("the ", kind);
  };
  control(3, "narrower", 1), control(4, "narrower", 2), control(5, "shallower", 1), control(6, "wider", 1);
  Experiment e(plan);
  const double loss[] = {3, 3.5, 4, 3.25, 3.5, 4.5, 2.75};
  for (const std::int64_t seed : {1, 2})
    for (std::int64_t step = 0; step < 7; ++step) e.done(step, seed, loss[step]);
  const auto report = e.report();
  const auto table = control_table(report);
  const auto& names = e.plan.steps;
  const std::vector<std::vector<std::string>> expected{{"1 shared 2", "3 the narrower", "+0.2500"},
                                                       {"1 shared 2", "5 the shallower", "-1.0000"},
                                                       {"6 the wider", "0 " + names[0].name, "-0.2500"},
                                                       {"2 shared 4", "4 the narrower", "+0.5000"}};
  ASSERT_EQ(table.rows.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& row = table.rows[i];
    EXPECT_EQ((std::vector{row[0], row[1], row[4]}), expected[i]);
    EXPECT_EQ(row[2], "parameters");
  }
}

}  // namespace
}  // namespace kablate
