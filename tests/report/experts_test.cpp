// Experts in reports on experiments made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::ladder;

// Of each seed the most and the least loaded expert of a layer, then the mean; not of which expert it was.
TEST(Experts, HaveTheirLoadsAndActiveParametersInTheReport) {
  auto plan = ladder(2, {1, 2});
  plan.steps[1].parameters = 5000, plan.steps[1].active_parameters = 2000;
  const Experiment e(plan);
  for (const std::int64_t seed : {1, 2}) e.done(0, seed, 3), e.done(1, seed, 3);
  e.change(1, 1, [](TrialSummary& s) { s.expert_loads = {{0.5, 0.25, 0.25}, {}, {1, 0, 0}}; });
  e.change(1, 2, [](TrialSummary& s) { s.expert_loads = {{0.05, 0.25, 0.7}, {}, {0.5, 0.5, 0}}; });
  MechanismRow row{20, 0, {{"expert_load_0", 0.5}, {"expert_load_1", 0.25}, {"expert_load_2", 0.25}}};
  EXPECT_EQ(expert_loads(row), (std::vector<double>{0.5, 0.25, 0.25}));
  e.add_row(1, 1, row);
  const auto report = e.report();
  EXPECT_TRUE(report.uses.empty()) << "means over layers would say nothing";
  const char* note =
      "Step 1 (arm1): load of the 3 experts after the last update, the largest and the smallest share of a "
      "layer's choices (even: 0.33), mean over 2 seeds: layer 0 0.60 / 0.15, layer 2 0.75 / 0.00.";
  EXPECT_THAT(report.notes, Contains(note));
  EXPECT_THAT(render_markdown(report), HasSubstr("| params | active |"));
  EXPECT_THAT(render_csv(report), HasSubstr(",active_parameters,"));
  EXPECT_THAT(render_csv(report), HasSubstr(",2000,"));
  for (const std::int64_t step : {0, 1}) plan.steps[static_cast<std::size_t>(step)].active_parameters = 5000;
  plan.steps[0].parameters = plan.steps[1].parameters = 5000;
  const Experiment without(plan);
  EXPECT_THAT(render_markdown(without.report()), Not(HasSubstr("| active |")));
}

}  // namespace
}  // namespace kablate
