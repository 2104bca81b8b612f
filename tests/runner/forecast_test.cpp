// The time left, of runs that were made up: what is predicted against what the same numbers come to.
#include "runner/forecast.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

TrialKind kind(double ms_before, double flops) {
  TrialKind k;
  k.iterations = 600, k.flops = flops, k.evaluation_cost = 25, k.evaluations = 4;
  if (ms_before > 0) k.ms = ms_before;
  return k;
}

TrialPace pace(std::size_t kind, double iterations, double ms, double evaluations = 0, double beside = 0) {
  TrialPace p;
  p.kind = kind, p.start_seconds = 2, p.iterations = iterations, p.train_seconds = iterations * ms / 1e3;
  p.evaluations = evaluations, p.beside_seconds = beside;
  return p;
}

TEST(Forecast, KnowsNothingFromNothing) {
  const std::vector<TrialKind> kinds{kind(0, 1e9)};
  EXPECT_FALSE(Forecast(kinds, {}).trial_seconds(0));
}

TEST(Forecast, TakesWhatWasMeasuredBeforeUntilItSeesMore) {
  const std::vector<TrialKind> kinds{kind(20, 1e9), kind(50, 1e9)};
  EXPECT_DOUBLE_EQ(*Forecast(kinds, {}).ms(1), 50);
  // Step 0 is half as fast as it was: so will step 1 be.
  const Forecast forecast(kinds, {pace(0, 100, 40)});
  EXPECT_DOUBLE_EQ(*forecast.ms(0), 40);
  EXPECT_DOUBLE_EQ(*forecast.ms(1), 100);
  // Once step 1 is seen itself, that counts.
  EXPECT_DOUBLE_EQ(*Forecast(kinds, {pace(0, 100, 40), pace(1, 100, 60)}).ms(1), 60);
}

TEST(Forecast, GoesByFlopsWhereNothingWasMeasured) {
  const std::vector<TrialKind> kinds{kind(0, 1e9), kind(0, 3e9)};
  EXPECT_DOUBLE_EQ(*Forecast(kinds, {pace(0, 100, 20)}).ms(1), 60);
}

TEST(Forecast, CountsEvaluationsAndStartUp) {
  const std::vector<TrialKind> kinds{kind(0, 1e9)};
  // 4 evaluations and the end took 3 s, of 100 iterations' worth of forward passes: 2 s.
  auto whole = pace(0, 600, 20, 4, 3);
  whole.ended = true;
  const Forecast forecast(kinds, {whole});
  EXPECT_DOUBLE_EQ(*forecast.trial_seconds(0), 2 + 12 + 3);
  EXPECT_DOUBLE_EQ(*forecast.seconds_from(0, 300), 6 + 1.5) << "two evaluations are left";
  EXPECT_DOUBLE_EQ(*forecast.seconds_from(0, 300, /*own=*/40.0), 12 + 3);
  EXPECT_DOUBLE_EQ(*forecast.seconds_from(0, 600), 0);
}

TEST(Forecast, IsAsUnknownAsItsPart) {
  EXPECT_EQ(all_known({1.0, 2.0}), (std::vector<double>{1, 2}));
  EXPECT_FALSE(all_known({1.0, std::nullopt}));
  EXPECT_TRUE(all_known({}));
}

TEST(Makespan, FillsTheSlotThatIsFreeFirst) {
  EXPECT_DOUBLE_EQ(makespan({}, {3, 1, 1, 1}, 2), 3);
  EXPECT_DOUBLE_EQ(makespan({5, 1}, {2, 2}, 2), 5);
  EXPECT_DOUBLE_EQ(makespan({5, 1}, {2, 2, 2}, 2), 7);
  EXPECT_DOUBLE_EQ(makespan({4}, {}, 1), 4);
  EXPECT_DOUBLE_EQ(makespan({}, {}, 2), 0);
}

TEST(Fits, ASeedThatIsNotBegunOnlyWhereAllItsStepsEndInTime) {
  const TimeLeft idle{.seconds = 10, .running = std::vector<double>{}, .slots = 1};
  EXPECT_TRUE(fits(idle, /*seed_is_begun=*/false, 5, {5, 5}));
  EXPECT_FALSE(fits(idle, /*seed_is_begun=*/false, 5, {5, 6}));
  EXPECT_FALSE(fits(idle, /*seed_is_begun=*/false, 6, {6, std::nullopt})) << "one unknown is as long as this";
  TimeLeft two = idle;
  two.slots = 2;
  EXPECT_TRUE(fits(two, /*seed_is_begun=*/false, 9, {9, 9}));
  two.running = {2.0};
  EXPECT_FALSE(fits(two, /*seed_is_begun=*/false, 9, {9, 9})) << "one of them has to wait for its place";
}

TEST(Fits, ASeedThatIsBegunGoesOnTrialByTrial) {
  const TimeLeft left{.seconds = 10, .running = std::nullopt, .slots = 1};
  EXPECT_TRUE(fits(left, /*seed_is_begun=*/true, 10, {10, 10, 10}));
  EXPECT_FALSE(fits(left, /*seed_is_begun=*/true, 11, {11}));
  EXPECT_TRUE(fits(left, /*seed_is_begun=*/true, {}, {{}}));
}

TEST(Fits, TheFirstTrialOfWhichNothingIsKnown) {
  TimeLeft left{.seconds = 1, .running = std::vector<double>{}, .slots = 2};
  EXPECT_TRUE(fits(left, /*seed_is_begun=*/false, {}, {{}, {}}));
  left.running = {5.0};
  EXPECT_FALSE(fits(left, /*seed_is_begun=*/false, {}, {{}, {}}));
  left.running.reset();
  EXPECT_FALSE(fits(left, /*seed_is_begun=*/false, 0.1, {0.1}));
}

}  // namespace
}  // namespace kablate
