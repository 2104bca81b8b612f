#include "report/tensorboard.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/core/expect_error.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing_support::Experiment;
using testing_support::ladder;
using testing_support::seeds;
using testing_support::small_config;
using testing_support::write_log;
namespace fs = std::filesystem;

TrainRow row(std::int64_t iteration, double ms = 10) {
  return {.iteration = iteration, .loss = 4.0 / static_cast<double>(1 + iteration), .ms = ms};
}

struct Tensorboard : testing::Test {
  Experiment experiment{ladder(2, seeds(1))};
  fs::path out = experiment.folder.tensorboard();

  TensorboardRuns write() const { return write_tensorboard(experiment.folder, out); }

  // A trial that is not finished, with these rows.
  void log(const std::vector<MetricsRow>& rows) const {
    const auto trial = experiment.trial(1, 1);
    write_trial_start(trial, small_config({"GPT2_MAX_ITERS=77"}), "key\n", Json::object());
    write_log(trial, rows);
  }

  // name -> content, of the folder of a run.
  std::map<std::string, std::string> files(const std::string& run = "step1-arm1.seed1") const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::directory_iterator(out / run))
      found[entry.path().filename()] = read_text(entry.path());
    return found;
  }
};

TEST_F(Tensorboard, HasARunForEachTrialThatLoggedSomething) {
  experiment.done(0, 1, 2.0);
  const auto runs = write();
  EXPECT_EQ(runs.runs, 1);
  EXPECT_EQ(runs.renewed, 1);
  EXPECT_FALSE(runs.complete);
  EXPECT_TRUE(runs.problems.empty() && runs.strangers.empty());
  const auto trial = read_tracked(experiment.folder, experiment.plan, experiment.plan.trials[0]);
  EXPECT_EQ(files("step0-arm0.seed1"),
            (std::map<std::string, std::string>{
                {"events.out.tfevents.0000000001.kablate", event_file_text(*trial)}}));
  EXPECT_FALSE(fs::exists(out / "step1-arm1.seed1"));
  experiment.done(1, 1, 2.0);
  EXPECT_TRUE(write().complete);
}

TEST_F(Tensorboard, GoesOnWithAFileAsTheTrialDoes) {
  log({row(0)});
  write();
  const auto first = files();
  EXPECT_EQ(write().renewed, 0);
  EXPECT_EQ(files(), first);
  log({row(0), row(10)});
  EXPECT_EQ(write().renewed, 1);
  const auto second = files();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second.begin()->first, first.begin()->first);
  EXPECT_TRUE(second.begin()->second.starts_with(first.begin()->second));
  EXPECT_GT(second.begin()->second.size(), first.begin()->second.size());
}

TEST_F(Tensorboard, MendsAnEndThatWasTorn) {
  log({row(0), row(10)});
  write();
  const auto whole = files();
  const auto path = out / "step1-arm1.seed1" / whole.begin()->first;
  fs::resize_file(path, whole.begin()->second.size() - 7);
  EXPECT_EQ(write().renewed, 1);
  EXPECT_EQ(files(), whole);
}

TEST_F(Tensorboard, BeginsANewFileWhereRowsWereMadeAgain) {
  log({row(0), row(10), row(20)});
  write();
  log({row(0), row(10, 12)});
  EXPECT_EQ(write().renewed, 1);
  const auto again = files();
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again.at("events.out.tfevents.0000000001.kablate"), "");
  const auto& second = again.at("events.out.tfevents.0000000002.kablate");
  log({row(0), row(10, 12), row(20)});
  write();
  const auto later = files();
  ASSERT_EQ(later.size(), 2U);
  EXPECT_TRUE(later.rbegin()->second.starts_with(second));
  EXPECT_GT(later.rbegin()->second.size(), second.size());
  write_file(out / "step1-arm1.seed1" / later.rbegin()->first,
             "");  // a reader may be far behind its beginning
  write();
  EXPECT_EQ(files().at("events.out.tfevents.0000000003.kablate"), later.rbegin()->second);
}

TEST_F(Tensorboard, IsOfFilesAlone) {
  experiment.done(0, 1, 2.0);
  experiment.change(0, 1, [](TrialSummary& s) { s.ended = "2026-01-31T12:00:00Z", s.wall_seconds = 100; });
  const auto trial = *read_tracked(experiment.folder, experiment.plan, experiment.plan.trials[0]);
  EXPECT_EQ(trial.began, 1769860800 - 100);
  fs::last_write_time(experiment.trial(0, 1).config(),
                      fs::file_time_type::clock::now() - std::chrono::hours(9));
  const auto later = *read_tracked(experiment.folder, experiment.plan, experiment.plan.trials[0]);
  EXPECT_EQ(event_file_text(later), event_file_text(trial));
}

TEST_F(Tensorboard, SaysWhatTheConfigurationChanges) {
  log({row(0)});
  const auto trial = *read_tracked(experiment.folder, experiment.plan, experiment.plan.trials[1]);
  EXPECT_EQ(trial.role, "arm");
  EXPECT_EQ(trial.config.at("GPT2_MAX_ITERS"), 77);
  EXPECT_EQ(trial.config.at("ENABLE_RA_MLA"), true);
  ASSERT_EQ(trial.changes.size(), 1U);
  EXPECT_EQ(trial.changes.at("GPT2_MAX_ITERS").second, "77");
  EXPECT_NE(event_file_text(trial).find("| GPT2_MAX_ITERS |"), std::string::npos);
}

TEST_F(Tensorboard, LeavesOutADamagedTrialAndNamesIt) {
  experiment.done(0, 1, 2.0);
  const auto metrics = experiment.trial(0, 1).metrics();
  write_file(metrics, read_text(metrics) + "{}\n");
  experiment.done(1, 1, 2.0);
  const auto runs = write();
  EXPECT_EQ(runs.runs, 1);
  ASSERT_EQ(runs.problems.size(), 1U);
  EXPECT_NE(runs.problems[0].find("metrics.jsonl"), std::string::npos) << runs.problems[0];
  EXPECT_FALSE(fs::exists(out / "step0-arm0.seed1"));
}

TEST_F(Tensorboard, NamesRunsOfOtherPlansAndLeavesThem) {
  log({row(0)});
  write();
  fs::rename(out / "step1-arm1.seed1", out / "step7-gone.seed1");
  fs::create_directories(out / "notes");
  EXPECT_EQ(write().strangers, std::vector<std::string>{"step7-gone.seed1"});
  EXPECT_EQ(files("step7-gone.seed1").size(), 1U);
}

}  // namespace
}  // namespace kablate
