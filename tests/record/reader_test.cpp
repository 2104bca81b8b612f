#include "record/reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "record/claim.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using testing_support::finish;
using testing_support::folder_of;
using testing_support::ladder;
using testing_support::small_config;
namespace fs = std::filesystem;

TEST(Experiment, IsReadBackAsWritten) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path() / "results" / "e");
  const auto plan = ladder(2, {1, 2});
  write_experiment(folder, plan, small_config());
  for (const auto seed : {1, 2}) finish(folder_of(folder, plan, 0, seed), 0, seed, 2.5 + seed);
  const auto experiment = read_experiment(folder);
  EXPECT_EQ(experiment.plan, plan);
  ASSERT_EQ(experiment.trials.size(), 4u);
  EXPECT_EQ(experiment.find_trial(0, 2)->state, TrialState::kDone);
  EXPECT_EQ(experiment.find_trial(0, 2)->summary->val_loss, 4.5);
  EXPECT_EQ(experiment.find_trial(0, 2)->evaluations.at(0).val_loss, 4.5);
  EXPECT_EQ(experiment.find_trial(1, 1)->state, TrialState::kMissing);
  EXPECT_EQ(experiment.find_trial(2, 1), nullptr);
  EXPECT_TRUE(experiment.problems.empty());
  EXPECT_EQ(field_values(Settings::from_file(folder.base_config()).bind()).size(), symbols().size());
  EXPECT_EQ(full_dotconfig(Settings::from_file(folder.base_defconfig()).bind()),
            full_dotconfig(small_config()));
}

TEST(Experiment, HasWhatTheMechanismsDid) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(1, {1});
  write_experiment(folder, plan, small_config());
  finish(folder_of(folder, plan, 0, 1), 0, 1, 2.5);
  MetricsLog(folder_of(folder, plan, 0, 1), 100)
      .append({{"kind", "mechanisms"},
               {"iteration", 20},
               {"block", 1},
               {"gate_mean", 0.5},
               {"gate_sd", nullptr}});
  const auto trial = read_experiment(folder).trials.at(0);
  EXPECT_EQ(trial.evaluations.size(), 1u);
  ASSERT_EQ(trial.mechanisms.size(), 1u);
  EXPECT_EQ(trial.mechanisms[0].iteration, 20);
  EXPECT_EQ(trial.mechanisms[0].block, 1);
  EXPECT_EQ(trial.mechanisms[0].values, (std::map<std::string, double>{{"gate_mean", 0.5}}));
}

TEST(Experiment, TellsTheStatesOfTrialsApart) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  auto plan = ladder(7, {1});
  plan.steps[6].blocked = "sees the future";
  write_experiment(folder, plan, small_config());
  const auto trial = [&](std::int64_t step) { return folder_of(folder, plan, step, 1); };
  finish(trial(1), 1, 1, 3);
  auto diverged = finish(trial(2), 2, 1, 3);
  diverged.status = "diverged";
  finish_trial(trial(2), diverged);
  write_trial_start(trial(3), small_config(), "", {});
  write_failure(trial(3),
                {.status = "failed", .reason = "killed", .exit_code = {}, .signal = 9, .log_tail = ""});
  write_trial_start(trial(4), small_config(), "", {});
  const auto claim = Claim::acquire(trial(5));
  finish(trial(6), 6, 1, 3);
  const auto states = [&] {
    std::vector<std::string> names;
    for (const auto& record : read_experiment(folder).trials) names.emplace_back(state_name(record.state));
    return names;
  };
  EXPECT_EQ(states(), (std::vector<std::string>{"missing", "done", "diverged", "failed", "interrupted",
                                                "running", "blocked"}));
  EXPECT_EQ(read_experiment(folder).find_trial(3, 1)->reason, "killed");
  write_trial_start(trial(3), small_config(), "", {});
  EXPECT_EQ(states()[3], "interrupted") << "a new attempt removes the record of the failure";
}

TEST(Experiment, CountsTrialsOfOtherPlans) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(2, {1});
  write_experiment(folder, plan, small_config());
  finish(folder.trial(TrialName{0, "arm0", 1, "ffffffffffff"}), 0, 1, 3);
  finish(folder_of(folder, plan, 0, 1), 0, 1, 3);
  fs::create_directories(folder.trials() / "notes");
  EXPECT_EQ(read_experiment(folder).others, std::vector<std::string>{"step0-arm0.seed1.ffffffffffff"});
}

TEST(Done, HoldsForItsSummaryOnly) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  EXPECT_FALSE(finished(folder));
  const auto summary = finish(folder, 0, 1, 3);
  ASSERT_TRUE(finished(folder));
  EXPECT_EQ(to_json(*finished(folder)), to_json(summary));
  auto text = read_text(folder.summary());
  text.replace(text.find("\"val_loss\": 3"), 13, "\"val_loss\": 2");
  write_file(folder.summary(), text);
  EXPECT_FALSE(finished(folder)) << "a summary that was edited";
  fs::remove(folder.done());
  EXPECT_EQ(read_trial(folder).state, TrialState::kInterrupted) << "DONE is what counts";
}

TEST(Threads, AreReadBackOrMeasuredAgain) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_FALSE(read_threads(folder));
  write_threads(folder, 2, {{"1", 12.5}, {"2", 8.0}});
  EXPECT_EQ(read_threads(folder), 2);
  for (const auto* text : {"", "{", "[]", "{\"threads\": \"2\"}", "{\"threads\": 0}", "{\"threads\": 1.5}"}) {
    write_file(folder.threads(), text);
    EXPECT_FALSE(read_threads(folder)) << text;
  }
}

TEST(Experiment, WithoutAPlanIsRefused) {
  const TemporaryFolder root;
  expect_error([&] { read_experiment(ExperimentFolder(root.path())); },
               {root.path().string(), "has no plan.json"});
  for (const auto* text : {"", "{}", "[]", "{\"name\": 3}", "nonsense"}) {
    root.write("plan.json", text);
    expect_error([&] { read_experiment(ExperimentFolder(root.path())); }, {"plan.json", "damaged"});
  }
}

// A file of a trial cut or damaged anywhere: the reading goes on, and the other trial stands.
TEST(Experiment, SurvivesDamagedTrials) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(2, {1});
  write_experiment(folder, plan, small_config());
  finish(folder_of(folder, plan, 1, 1), 1, 1, 3);
  const auto victim = folder_of(folder, plan, 0, 1);
  const auto summary = to_json(finish(victim, 0, 1, 3));
  write_failure(victim, {});
  const fs::path files[] = {victim.summary(), victim.done(), victim.metrics(), victim.failure(),
                            victim.config()};
  for (int round = 0; round < 400; ++round) {
    const auto& file = files[random() % std::size(files)];
    const auto whole = read_text(file);
    auto text = whole;
    const auto at = random() % text.size();
    if (random() % 2 == 0) {
      text.resize(at);
    } else {
      text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
    }
    std::ofstream(file, std::ios::binary) << text;
    const auto experiment = read_experiment(folder);
    EXPECT_EQ(experiment.find_trial(1, 1)->state, TrialState::kDone);
    const auto& record = *experiment.find_trial(0, 1);
    EXPECT_TRUE(record.state != TrialState::kDone || to_json(*record.summary) == summary)
        << "a damaged one was believed";
    std::ofstream(file, std::ios::binary) << whole;
  }
}

}  // namespace
}  // namespace kablate
