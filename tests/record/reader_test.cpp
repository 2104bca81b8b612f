#include "record/reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "record/claim.h"
#include "record/done.h"
#include "record/seal.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using testing_support::finish;
using testing_support::finish_again;
using testing_support::folder_of;
using testing_support::ladder;
using testing_support::rows_of;
using testing_support::small_config;
using testing_support::write_log;
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

TEST(Experiment, BringsTheBaseConfigurationThatItWasWrittenWith) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  write_experiment(folder, ladder(1, {1}), small_config());
  EXPECT_EQ(full_dotconfig(read_base_config(folder).bind()), full_dotconfig(small_config()));
  auto text = read_text(folder.base_config());
  write_file(folder.base_config(), text.replace(text.find("N_LAYER=2"), 9, "N_LAYER=3"));
  expect_error([&] { read_base_config(folder); }, {"base.config", "SHA-256", "plan.json"});
}

TEST(Experiment, HasWhatTheMechanismsDid) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(1, {1});
  write_experiment(folder, plan, small_config());
  const auto files = folder_of(folder, plan, 0, 1);
  const auto summary = finish(files, 0, 1, 2.5);
  auto rows = rows_of(files);
  rows.push_back(MechanismRow{20, 1, {{"gate_mean", 0.5}}});
  write_log(files, rows);
  finish_again(files, summary);
  const auto trial = read_experiment(folder).trials.at(0);
  EXPECT_EQ(trial.evaluations.size(), 1u);
  ASSERT_EQ(trial.mechanisms.size(), 1u);
  EXPECT_EQ(trial.mechanisms[0].iteration, 20);
  EXPECT_EQ(trial.mechanisms[0].block, 1);
  EXPECT_EQ(trial.mechanisms[0].values, (std::map<std::string, double>{{"gate_mean", 0.5}}));
}

TEST(Experiment, KeepsOfTheMechanismsTheFirstEvaluationAndTheLast) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(1, {1});
  write_experiment(folder, plan, small_config());
  const auto files = folder_of(folder, plan, 0, 1);
  const auto summary = finish(files, 0, 1, 2.5);
  auto rows = rows_of(files);
  for (const std::int64_t iteration : {20, 30, 40})
    for (const std::int64_t block : {0, 1})
      rows.push_back(MechanismRow{iteration, block, {{"gate_mean", 0.5}}});
  write_log(files, rows);
  finish_again(files, summary);
  const auto trial = read_experiment(folder).trials.at(0);
  ASSERT_EQ(trial.mechanisms.size(), 4u);
  EXPECT_EQ(trial.mechanisms[1].iteration, 20);
  EXPECT_EQ(trial.mechanisms[2].iteration, 40);
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
  EXPECT_EQ(read_trial(folder).state, TrialState::kDamaged);
  fs::remove(folder.done());
  EXPECT_EQ(read_trial(folder).state, TrialState::kInterrupted) << "DONE is what counts";
}

TEST(Threads, AreReadBackOrRefused) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_FALSE(read_threads(folder));
  write_threads(folder, 2, {{"1", 12.5}, {"2", 8.0}});
  EXPECT_EQ(read_threads(folder), 2);
  for (const auto* text : {"", "{", "[]", "{\"threads\": \"2\"}", "{\"threads\": 0}", "{\"threads\": 1.5}"}) {
    write_file(folder.threads(), text);
    EXPECT_THROW(read_threads(folder), UserError) << text;
  }
  write_file(folder.threads(), sealed_text({{"threads", 0}}));
  expect_error([&] { read_threads(folder); }, {"threads.json", "remove it"});
}

TEST(Threads, OfTheFirstRunStandForTheNext) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_EQ(write_threads_once(folder, 2, {}), 2);
  EXPECT_EQ(write_threads_once(folder, 4, {}), 2);
}

TEST(Experiment, WithoutAPlanIsRefused) {
  const TemporaryFolder root;
  expect_error([&] { read_experiment(ExperimentFolder(root.path())); },
               {root.path().string(), "has no plan.json"});
  for (const auto* text : {"", "[]", "nonsense"}) {
    root.write("plan.json", text);
    expect_error([&] { read_experiment(ExperimentFolder(root.path())); }, {"plan.json", "damaged"});
  }
  for (const auto* text : {"{}", "{\"name\": 3}"}) {
    root.write("plan.json", text);
    expect_error([&] { read_experiment(ExperimentFolder(root.path())); }, {"plan.json", "earlier version"});
  }
  root.write("plan.json", sealed_text({{"name", 3}}));
  expect_error([&] { read_experiment(ExperimentFolder(root.path())); }, {"plan.json", "no plan"});
}

// Numbers that no plan and no trial has end in a message with the file's name, not in a library's.
TEST(Experiment, WithImpossibleNumbersIsRefused) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto write = [&](const char* key, const Json& value) {
    Json json = to_json(ladder(2, {1}));
    json[key] = value;
    write_file(folder.plan(), sealed_text(json));
  };
  write("arms", 1'000'000'000'000'000'000);
  expect_error([&] { read_plan(folder); }, {"plan.json", "arms = 1000000000000000000", "allowed"});
  write("factors", std::vector<std::string>(60, "A"));
  expect_error([&] { read_plan(folder); }, {"plan.json", "60 factors", "allowed"});
  write("trials", {{{"step", 0}, {"seed", 1}, {"folder", "../elsewhere"}}});
  expect_error([&] { read_plan(folder); }, {"plan.json", "../elsewhere"});
  const auto trial = folder.trial("step0-arm0.seed1.0123456789ab");
  auto summary = finish(trial, 0, 1, 3);
  summary.val_loss = 1e308;
  finish_again(trial, summary);
  EXPECT_EQ(read_trial(trial).state, TrialState::kDamaged);
  EXPECT_NE(read_trial(trial).reason.find("summary.json: a loss of 1e+308"), std::string::npos);
}

TEST(Experiment, LeavesADamagedTrialOut) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(2, {1});
  write_experiment(folder, plan, small_config());
  for (const std::int64_t step : {0, 1}) finish(folder_of(folder, plan, step, 1), step, 1, 3);
  const auto files = folder_of(folder, plan, 0, 1);
  auto text = read_text(files.metrics());
  text[text.find("\"val_loss\":3") + 11] = '2';
  write_file(files.metrics(), text);
  const auto experiment = read_experiment(folder);
  EXPECT_EQ(experiment.find_trial(0, 1)->state, TrialState::kDamaged);
  EXPECT_TRUE(experiment.find_trial(0, 1)->evaluations.empty());
  ASSERT_EQ(experiment.problems.size(), 1u);
  EXPECT_NE(experiment.problems[0].find("metrics.jsonl: does not have the SHA-256"), std::string::npos);
  EXPECT_EQ(experiment.find_trial(1, 1)->state, TrialState::kDone);
  EXPECT_TRUE(finished(files)) << "its summary is what it was";
  EXPECT_FALSE(finished_and_whole(files));
}

TEST(Experiment, ThatWasCopiedInTextModeIsNamedForWhatItIs) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto plan = ladder(1, {1});
  write_experiment(folder, plan, small_config());
  const auto files = folder_of(folder, plan, 0, 1);
  finish(files, 0, 1, 3);
  const auto convert = [](const fs::path& path) {
    std::string converted;
    for (const char c : read_text(path)) converted += c == '\n' ? "\r\n" : std::string(1, c);
    write_file(path, converted);
  };
  convert(files.metrics());
  EXPECT_NE(read_experiment(folder).problems.at(0).find("line ends were converted"), std::string::npos);
  convert(files.done());
  EXPECT_NE(read_trial(files).reason.find("DONE: its line ends were converted"), std::string::npos);
  convert(folder.plan());
  expect_error([&] { read_plan(folder); }, {"plan.json", "line ends were converted"});
}

TEST(Experiment, OfAnEarlierFormatIsNamed) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const auto trial = folder.trial("step0-arm0.seed1.0123456789ab");
  finish(trial, 0, 1, 3);
  write_file(trial.done(), hex(sha256(read_text(trial.summary()))) + "\n");  // DONE held one sum
  EXPECT_NE(read_trial(trial).reason.find("earlier version"), std::string::npos);
  EXPECT_NO_THROW(refuse_older_format(folder)) << "trials of other keys may lie there";
  for (const auto& file : {folder.plan(), folder.threads(), folder.noise(), folder.audit()}) {
    write_file(file, "{\"steps\": []}\n");
    expect_error([&] { refuse_older_format(folder); }, {file.string(), "earlier version"});
    write_file(file, "{\"steps\": [");
    EXPECT_NO_THROW(refuse_older_format(folder)) << "damaged: another matter";
  }
  write_file(folder.looks(), R"({"planned":[1],"time":"2026-01-01T00:00:00Z","trials":[]})"
                             "\n");
  expect_error([&] { refuse_older_format(folder); }, {"looks.jsonl", "earlier version"});
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
    const bool done = record.state == TrialState::kDone;
    EXPECT_TRUE(!done || to_json(*record.summary) == summary) << "a damaged one was believed";
    if (file == victim.metrics() || file == victim.summary()) {
      EXPECT_FALSE(done) << file << " at " << at;
    }
    if (file == victim.config() || file == victim.failure()) {
      EXPECT_TRUE(done) << "no table is made of it";
    }
    EXPECT_EQ(finished_and_whole(victim).has_value(), file == victim.failure()) << file << " at " << at;
    std::ofstream(file, std::ios::binary) << whole;
  }
}

}  // namespace
}  // namespace kablate
