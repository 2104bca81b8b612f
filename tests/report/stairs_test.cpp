// A plan with a path: each stair beside the step before it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using namespace testing_support;
using testing::HasSubstr;

TEST(ReportOfAPath, ComparesAStairWithTheStepBefore) {
  const auto all = seeds(8);
  Experiment e(ladder(4, all));
  e.plan.steps[1].after = 0, e.plan.steps[2].after = 1, e.plan.steps[3].after = 2;
  const double change[] = {0, -0.5, 0.25, 0};
  for (const auto seed : all) {
    double loss = 3 + 0.01 * static_cast<double>(seed);
    for (std::int64_t step = 0; step < 4; ++step) {
      loss += change[step] + (step > 0 ? 0.001 * static_cast<double>(seed * seed % 5) : 0);
      e.done(step, seed, loss);
    }
  }
  const auto report = make_report(e.folder, e.plan);
  const auto& rows = report.rows;
  for (int step = 1; step < 4; ++step) {
    EXPECT_EQ(rows[step].against, step - 1);
    EXPECT_NEAR(rows[step].delta->mean, change[step], 0.05) << step;
  }
  EXPECT_EQ(planned_step_from_json(to_json(e.plan.steps[2])).after, 1);
  EXPECT_FALSE(rows[0].against || rows[0].delta);
  EXPECT_EQ(rows[1].verdict->text, "better");
  EXPECT_EQ(rows[2].verdict->text, "worse") << "than step 1, although better than the baseline";
  EXPECT_FALSE(rows[1].previous) << "the baseline, to which its difference is";
  EXPECT_EQ(rows[3].previous, 0);
  EXPECT_NEAR(rows[3].delta_previous->mean, -0.25, 0.05);
  e.plan.steps.erase(e.plan.steps.begin() + 1);  // step 1 is not selected
  std::erase_if(e.plan.trials, [](const auto& trial) { return trial.step == 1; });
  const auto partial = make_report(e.folder, e.plan);
  EXPECT_FALSE(partial.rows[1].delta || partial.rows[1].verdict);
  EXPECT_THAT(partial.notes,
              testing::Contains(HasSubstr("Step 2 is compared with step 1, which is not among")));
  const auto text = render_markdown(report);
  EXPECT_THAT(text, HasSubstr("to step 0, or to the step named beside it"));
}

}  // namespace
}  // namespace kablate
