#include "record/looks.h"

#include <gtest/gtest.h>

#include <fstream>

#include <sys/stat.h>

#include "base/file.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using Numbers = std::vector<std::int64_t>;

// Trials of the ladder's two steps over `seeds`, all finished; `key` is what their configuration changes.
std::vector<TrialRecord> finished_trial(const Numbers& seeds, const std::string& key = "0123456789ab") {
  std::vector<TrialRecord> trials;
  for (const auto seed : seeds)
    for (const std::int64_t step : {0, 1}) {
      TrialRecord trial;
      trial.planned = {step, seed, trial_folder_name({step, "arm", seed, key})};
      trial.state = TrialState::kDone;
      trials.push_back(trial);
    }
  return trials;
}

TEST(Looks, AreRecordedOnceForEachSetOfTrials) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_FALSE(record_look(folder, {1}, {})) << "nothing is finished";
  EXPECT_TRUE(record_look(folder, {1, 2}, finished_trial({1})));
  EXPECT_FALSE(record_look(folder, {1, 2}, finished_trial({1}))) << "the same table again";
  auto trials = finished_trial({1, 2});
  trials.back().state = TrialState::kRunning;
  EXPECT_TRUE(record_look(folder, {1, 2}, trials));
  const auto looks = read_looks(folder);
  ASSERT_EQ(looks.size(), 2u);
  EXPECT_EQ(looks[0].planned, (Numbers{1, 2}));
  EXPECT_EQ(looks[0].trials.size(), 2u);
  EXPECT_EQ(looks[1].trials.size(), 3u) << "only finished trials are in the table";
  EXPECT_EQ(looks[0].time.size(), 20u);
}

TEST(Looks, SurviveATornLine) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_TRUE(read_looks(folder).empty());
  record_look(folder, {1}, finished_trial({1}));
  std::ofstream(folder.looks(), std::ios::app) << R"({"time": "2026)";
  EXPECT_EQ(read_looks(folder).size(), 1u);
  record_look(folder, {1, 2}, finished_trial({1, 2}));
  std::vector<std::string> problems;
  EXPECT_EQ(read_looks(folder, &problems).size(), 2u)
      << "a row that follows a torn one stands on its own line";
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("looks.jsonl:2: is no look"), std::string::npos) << problems[0];
}

TEST(Looks, ThatWereChangedOrTakenOutAreMissed) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  for (std::int64_t n = 1; n <= 3; ++n) {
    Numbers seeds;
    for (std::int64_t seed = 1; seed <= n; ++seed) seeds.push_back(seed);
    record_look(folder, seeds, finished_trial(seeds));
  }
  const auto whole = read_text(folder.looks());
  const auto problems_of = [&](const std::string& text) {
    write_file(folder.looks(), text);
    std::vector<std::string> problems;
    read_looks(folder, &problems);
    return problems.size();
  };
  EXPECT_EQ(problems_of(whole), 0u);
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    auto text = whole;
    text[at] = static_cast<char>(text[at] ^ 4);
    EXPECT_GT(problems_of(text), 0u) << "at " << at;
  }
  const auto first = whole.find('\n') + 1;
  EXPECT_EQ(problems_of(whole.substr(first)), 1u) << "the first look was taken out";
}

TEST(Looks, WithConvertedLineEndsAreKeptAndNamed) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1}, finished_trial({1}));
  record_look(folder, {1, 2}, finished_trial({1, 2}));
  std::string converted;
  for (const char c : read_text(folder.looks())) converted += c == '\n' ? "\r\n" : std::string(1, c);
  write_file(folder.looks(), converted);
  std::vector<std::string> problems;
  EXPECT_EQ(read_looks(folder, &problems).size(), 2u);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("looks.jsonl: its line ends were converted to CRLF"), std::string::npos)
      << problems[0];
}

TEST(Looks, InAPipeAreNotWaitedFor) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  ASSERT_EQ(::mkfifo(folder.looks().c_str(), 0600), 0);
  testing_support::expect_error([&] { read_looks(folder); }, {"looks.jsonl: is a pipe, not a file"});
  testing_support::expect_error([&] { record_look(folder, {1}, finished_trial({1})); },
                                {"is a pipe, not a file"});
}

TEST(Looks, OfTwoRunsAtOnceAreBothWhole) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1}, finished_trial({1}));
  const auto before = read_text(folder.looks());
  record_look(folder, {1, 2}, finished_trial({1, 2}));
  const auto one = read_text(folder.looks()).substr(before.size());
  write_file(folder.looks(), before);
  record_look(folder, {1, 3}, finished_trial({1, 3}));
  write_file(folder.looks(), read_text(folder.looks()) + one);
  std::vector<std::string> problems;
  EXPECT_EQ(read_looks(folder, &problems).size(), 3u);
  EXPECT_TRUE(problems.empty()) << problems[0];
}

TEST(Looks, AtFewerSeedsOfTheSameTrialsCount) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2, 3}, finished_trial({1, 2, 3}));
  record_look(folder, {1, 2, 3}, finished_trial({1, 2, 3}, "aaaaaaaaaaaa"));  // another configuration
  const auto now = finished_trial({1, 2, 3, 4, 5});
  const std::vector<EarlierLook> expected{{{1, 2, 3}, {4, 5}, {4, 5}}};
  EXPECT_EQ(earlier_looks(read_looks(folder), now), expected);
  record_look(folder, {1, 2, 3, 4, 5}, now);
  EXPECT_EQ(earlier_looks(read_looks(folder), now), expected) << "the present look is not an earlier one";
  EXPECT_TRUE(earlier_looks(read_looks(folder), finished_trial({1, 2, 3})).empty());
  EXPECT_TRUE(earlier_looks(read_looks(folder), finished_trial({1, 2, 3, 4}, "bbbbbbbbbbbb")).empty());
}

TEST(Looks, TellSeedsThatWerePlannedAlready) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2, 3, 4}, finished_trial({1, 2}));  // an interrupted run of four seeds
  const auto now = finished_trial({1, 2, 3, 4, 5});
  EXPECT_EQ(earlier_looks(read_looks(folder), now), (std::vector<EarlierLook>{{{1, 2}, {3, 4, 5}, {5}}}));
}

TEST(Looks, KeepThePlanOfTheFirstLookAtASetOfSeeds) {
  // Seeds 1-2 were looked at; then 3 were planned, and the run was stopped before seed 3 could be compared.
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2}, finished_trial({1, 2}));
  auto stopped = finished_trial({1, 2, 3});
  stopped.back().state = TrialState::kInterrupted;
  EXPECT_TRUE(record_look(folder, {1, 2, 3}, stopped));
  const auto looks = earlier_looks(read_looks(folder), finished_trial({1, 2, 3}));
  EXPECT_EQ(looks, (std::vector<EarlierLook>{{{1, 2}, {3}, {3}}}));
}

}  // namespace
}  // namespace kablate
