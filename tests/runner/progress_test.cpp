// Progress where standard error is no terminal, as in a pipe.
#include "runner/progress.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

RunFacts facts(std::vector<std::string> labels) {
  RunFacts run;
  for (auto& label : labels) run.trials.push_back({label, 10, 600, 2.5, {}, {}});
  run.planned = 3;
  return run;
}

TEST(Progress, InAPipeIsALineATrialAMinute) {
  using std::chrono::seconds;
  testing::internal::CaptureStderr();
  Progress progress;
  const auto start = Progress::Clock::now();
  progress.event("one: started");
  for (int s = 0; s <= 150; ++s)
    progress.show(facts(s < 100 ? std::vector<std::string>{"one"} : std::vector<std::string>{"one", "two"}),
                  start + seconds(s));
  progress.clear();
  const std::string line = ": iteration 10 of 600, loss 2.5000; 0 of 3 trials done\n";
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "one: started\none" + line + "one" + line)
      << "after 60 and 120 seconds; the other trial has run for 50";
}

}  // namespace
}  // namespace kablate
