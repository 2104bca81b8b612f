#include "stats/verdict.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace kablate {
namespace {

using Arm = std::optional<Difference>;

// n differences around `mean` that alternate by ± `spread`.
Difference difference(double mean, double spread, std::size_t n) {
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(mean + (i % 2 == 0 ? spread : -spread));
  return paired_difference(values);
}

std::string text_of(const std::vector<Arm>& arms, std::size_t i) { return verdicts(arms)[i].value().text; }

TEST(Verdict, SaysBetterOrWorseWhereHolmRejects) {
  const std::vector<Arm> arms{difference(-0.02, 0.002, 8), difference(0.02, 0.002, 8)};
  EXPECT_EQ(text_of(arms, 0), "better");
  EXPECT_EQ(text_of(arms, 1), "worse");
  EXPECT_EQ(verdicts(arms)[0]->kind, VerdictKind::kBetter);
  EXPECT_EQ(verdicts(arms)[1]->kind, VerdictKind::kWorse);
}

TEST(Verdict, BoundsADifferenceThatItCanNotShow) {
  // sd of ±.01 over 8 is .01 √(8/7); of two arms none is rejected, so the level is .05/2 for both.
  const std::vector<Arm> arms{difference(0.001, 0.01, 8), difference(-0.003, 0.01, 8)};
  const double half = student_t_quantile(1 - 0.025 / 2, 7) * 0.01 * std::sqrt(8.0 / 7) / std::sqrt(8.0);
  const auto larger = [&](double mean) { return std::ceil((mean + half) * 1e4) / 1e4; };
  for (const std::size_t i : {0, 1}) {
    const auto verdict = verdicts(arms)[i].value();
    EXPECT_EQ(verdict.kind, VerdictKind::kNoDifference);
    const std::string number = verdict.text.substr(std::string("no difference larger than ").size());
    EXPECT_NEAR(std::stod(number), larger(i == 0 ? 0.001 : 0.003), 1e-9) << verdict.text;
  }
  EXPECT_DOUBLE_EQ(verdicts(arms)[0]->holm->level, 0.025);
}

TEST(Verdict, OfAnArmThatEqualsTheBaselineIsNoDifferenceAtAll) {
  EXPECT_EQ(text_of({difference(0, 0, 8)}, 0), "no difference larger than 0.0000");
}

TEST(Verdict, NeedsEightPairsAndTenInALargeFamily) {
  const auto arm = [](std::size_t n) { return Arm(difference(-0.5, 0.001, n)); };
  EXPECT_EQ(text_of({arm(7)}, 0), "not enough seeds (7 of 8), leans better");
  EXPECT_EQ(text_of({arm(8)}, 0), "better");
  EXPECT_EQ(text_of(std::vector<Arm>(6, arm(8)), 0), "better");
  EXPECT_EQ(text_of(std::vector<Arm>(7, arm(9)), 0), "not enough seeds (9 of 10), leans better");
  EXPECT_EQ(text_of(std::vector<Arm>(7, arm(10)), 0), "better");
}

TEST(Verdict, OfFewSeedsLeansOnlyWhereHolmRejects) {
  EXPECT_EQ(text_of({difference(0.001, 0.01, 3)}, 0), "not enough seeds (3 of 8)");
  EXPECT_EQ(text_of({difference(0.5, 0.0001, 3)}, 0), "not enough seeds (3 of 8), leans worse");
  EXPECT_EQ(text_of({difference(-0.5, 0, 1)}, 0), "not enough seeds (1 of 8)");
  EXPECT_FALSE(verdicts(std::vector<Arm>{difference(-0.5, 0, 1)})[0]->holm);
}

TEST(Verdict, FollowsTheDirectionOfTheMeasure) {
  const std::vector<Arm> arms{difference(-0.02, 0.002, 8), difference(0.02, 0.002, 3)};
  EXPECT_EQ(verdicts(arms, Better::kMore)[0]->text, "worse") << "less accuracy";
  EXPECT_EQ(verdicts(arms, Better::kMore)[0]->kind, VerdictKind::kWorse);
  EXPECT_EQ(verdicts(arms, Better::kMore)[1]->text, "not enough seeds (3 of 8), leans better");
}

TEST(Verdict, OfAnUnpairedDifferenceSaysSo) {
  std::vector<double> low, high;
  for (int i = 0; i < 8; ++i) low.push_back(1 + 0.01 * i), high.push_back(2 + 0.01 * i);
  EXPECT_EQ(text_of({unpaired_difference(low, high)}, 0), "better (unpaired)");
  EXPECT_EQ(text_of({paired_difference(low, high)}, 0), "better");
  // 8 values of .01 steps: sd .0245, so the t interval at 95 % with 14 degrees is 2.1448 · .0245 · √(2/8).
  EXPECT_EQ(text_of({unpaired_difference(low, low)}, 0), "no difference larger than 0.0263 (unpaired)");
}

TEST(Verdict, IsStricterInALargerFamilyAlsoBeforeItIsFinished) {
  const auto arm = difference(-0.0115, 0.01, 8);  // p about .014
  ASSERT_LT(*arm.p, 0.05 / 2);
  ASSERT_GT(*arm.p, 0.05 / 5);
  EXPECT_EQ(text_of({arm}, 0), "better");
  const std::vector<Arm> family{arm, {}, {}, {}, {}};
  EXPECT_EQ(verdicts(family)[0]->kind, VerdictKind::kNoDifference);
  for (std::size_t i = 1; i < family.size(); ++i) EXPECT_FALSE(verdicts(family)[i]);
}

}  // namespace
}  // namespace kablate
