#include "record/imported.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/text.h"
#include "record/layout.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

const std::string kRuns =
    "seed,arm,loss,status,parameters,ms_per_iter,peak_tensor_bytes\r\n"
    "0,\"base, plain\",2.5,,1000,10.5,4096\r\n"
    "1,\"base, plain\",2.25,done,,11,\r\n"
    "0,wide,2.125,,2000,,\r\n"
    "1,wide,nan,diverged,2000,,\r\n";

ImportedRuns parse(const std::string& csv, const ImportOptions& options = {}) {
  return parse_runs(csv, "r.csv", options);
}

TEST(ImportedRuns, ArmsAreStepsAndRunsAreTrials) {
  const auto runs = parse("\xEF\xBB\xBF" + kRuns);
  const auto& plan = runs.plan;
  EXPECT_EQ(plan.name, "r");
  EXPECT_EQ(plan.baseline, 0);
  EXPECT_EQ(plan.arms, 1);
  EXPECT_EQ(plan.seeds, (std::vector<std::int64_t>{0, 1}));
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].name, "base, plain");
  EXPECT_EQ(plan.steps[0].parameters, 1000);
  EXPECT_EQ(plan.steps[1].parameters, 2000);
  ASSERT_EQ(runs.trials.size(), 4u);
  EXPECT_EQ(runs.trials[0].summary->val_loss, 2.5);
  EXPECT_EQ(runs.trials[0].summary->ms_per_iter, 10.5);
  EXPECT_EQ(runs.trials[0].summary->peak_tensor_bytes, 4096);
  EXPECT_FALSE(runs.trials[1].summary->peak_tensor_bytes);
  EXPECT_EQ(runs.trials[3].state, TrialState::kDiverged);
  EXPECT_FALSE(runs.trials[3].summary->val_loss);
  EXPECT_EQ(parse(kRuns, {.baseline = "wide"}).plan.baseline, 1);
}

TEST(ImportedRuns, AreReadBackFromTheirFolder) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path() / "e");
  const auto runs = parse(kRuns, {.baseline = "", .better = Better::kMore});
  write_imported(folder, runs);
  const auto again = read_experiment(folder);
  EXPECT_EQ(again.plan, runs.plan);
  EXPECT_EQ(again.plan.imported->better, Better::kMore);
  ASSERT_EQ(again.trials.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(again.trials[i].planned, runs.trials[i].planned);
    EXPECT_EQ(again.trials[i].state, runs.trials[i].state);
    EXPECT_EQ(again.trials[i].summary->val_loss, runs.trials[i].summary->val_loss);
    EXPECT_EQ(again.trials[i].summary->ms_per_iter, runs.trials[i].summary->ms_per_iter);
  }
  write_imported(folder, parse("arm,seed,loss\na,1,2\n"));  // an import may be made again
  EXPECT_EQ(read_experiment(folder).trials.size(), 1u);
  EXPECT_EQ(trial_states(folder, read_plan(folder)), (std::vector<TrialState>{TrialState::kDone}));
  EXPECT_NO_THROW(refuse_older_format(folder));
  expect_error([&] { refuse_to_add(folder); }, {"were imported from r.csv"});
}

TEST(ImportedRuns, DoNotTakeTheFolderOfATrainedExperiment) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path() / "e");
  write_experiment(folder, testing_support::ladder(1, {1}), testing_support::small_config());
  expect_error([&] { write_imported(folder, parse(kRuns)); }, {"an experiment that was trained there"});
}

TEST(ImportedRuns, RefuseOtherRunsThanThePlans) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path() / "e");
  write_imported(folder, parse(kRuns));
  const auto plan = read_text(folder.plan());
  write_imported(folder, parse("arm,seed,loss\na,1,2\n"));
  write_file(folder.plan(), plan);
  expect_error([&] { read_experiment(folder); }, {"runs.json", "has not the runs of plan.json"});
}

// A run's name depends on what it is, not on its line: a look (looks.jsonl) knows it again.
TEST(ImportedRuns, KeepTheirNamesWhenRunsAreAdded) {
  const auto header = kRuns.find('\n') + 1;
  const auto few = parse(kRuns),
             more = parse(kRuns.substr(0, header) + "7,\"base, plain\",2.5,,,,\n" + kRuns.substr(header));
  ASSERT_EQ(more.trials.size(), few.trials.size() + 1);
  for (std::size_t i = 0; i < few.trials.size(); ++i)
    EXPECT_EQ(few.trials[i].planned.folder, more.trials[i + 1].planned.folder);
}

TEST(ImportedRuns, AreNamedByTheNumberAndNotByItsText) {
  const auto name = [](const std::string& loss) {
    return parse("arm,seed,loss\na,1," + loss + "\n").trials[0].planned.folder;
  };
  EXPECT_EQ(name("3.28"), name("3.280"));
  EXPECT_NE(name("3.28"), name("3.281"));
}

TEST(ImportedRuns, KeepTheFamilyOfEveryImportIntoTheFolder) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path() / "e");
  const auto import = [&](const std::string& csv) {
    write_imported(folder, parse("arm,seed,loss\n" + csv));
    return read_plan(folder);
  };
  EXPECT_EQ(import("a,1,2\nb,1,2\nc,1,2\n").family(), 2u);
  for (int again = 0; again < 2; ++again) {
    const auto plan = import("a,1,2\nd,1,2\n");
    EXPECT_EQ(plan.family(), 3u) << "b and c were tried too";
    ASSERT_EQ(plan.notes.size(), 1u);
    EXPECT_NE(plan.notes[0].find("leaves out: b, c."), std::string::npos) << plan.notes[0];
  }
  const auto plan = import("d,1,2\nc,1,2\nb,1,2\na,1,2\n");
  EXPECT_EQ(plan.family(), 3u);
  EXPECT_TRUE(plan.notes.empty());
}

TEST(ImportedRuns, SayWhichArmSharesNoSeedWithTheBaseline) {
  const auto notes = parse("arm,seed,loss,status\na,1,2,\nb,1,2,\nc,1,,failed\nd,2,2,\n").plan.notes;
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].find("Step 2 (c) has no seed in common"), 0u) << notes[0];
  EXPECT_EQ(notes[1].find("Step 3 (d) has no seed in common"), 0u) << notes[1];
}

TEST(ImportedRuns, NameColumnsThatNothingIsReadFrom) {
  EXPECT_EQ(parse("arm,seed,learning rate,loss,x\na,1,9,2,\n").ignored,
            (std::vector<std::string>{"learning rate", "x"}));
}

TEST(ImportedRuns, RefuseEachMistakeWithLineAndColumn) {
  struct Bad {
    std::string csv;
    std::vector<std::string> message;
  };
  const std::string head = "arm,seed,loss\n";
  for (const auto& [csv, message] : std::vector<Bad>{
           {"", {"r.csv: is empty"}},
           {head, {"r.csv: has no run"}},
           {"arm,seed\na,1\n", {"r.csv:1", "the column loss is missing"}},
           {"arm;seed;loss\na;1;2\n", {"r.csv:1", "separated by commas"}},
           {"arm,seed,loss,loss\na,1,2,3\n", {"r.csv:1", "the column loss stands twice"}},
           {"arm,seeds,loss\na,1,2\n", {"r.csv:1", "no column \"seeds\"", "did you mean seed?"}},
           {head + "a,1\n", {"r.csv:2: 2 fields: allowed: 3"}},
           {head + "a,1,2\n,1,2\n", {"r.csv:3: arm = \"\""}},
           {head + "a\x7F,1,2\n", {"r.csv:2: arm = \"a \": allowed: a name"}},
           {head + "a\xC2\x9B,1,2\n", {"r.csv:2: arm = \"a \": allowed: a name"}},
           {"arm,seed,loss,\x1B[31mred\na,1,2,\n", {"r.csv:1: column 4, \" [31mred\": allowed: a name"}},
           {head + "a,one,2\n", {"r.csv:2: seed = \"one\": allowed: a whole number from 0 on"}},
           {head + "a,-1,2\n", {"r.csv:2: seed = \"-1\""}},
           {head + "a,,2\n", {"r.csv:2: seed = \"\""}},
           {head + "a,1,nan\n", {"r.csv:2: loss = \"nan\": allowed: a finite number", "diverged"}},
           {head + "a,1,\n", {"r.csv:2: loss = \"\""}},
           {head + "a,1,1e39\n", {"r.csv:2: loss = \"1e39\""}},
           {head + "a,1,2\nb,1,2\na,1,3\n", {"r.csv:4: seed = \"1\"", "line 2 has it"}},
           {head + "\"a,1,2\n", {"r.csv:2: a quote"}},
           {"arm,seed,loss,status\na,1,2,finished\n", {"status = \"finished\": allowed: done, diverged"}},
           {"arm,seed,loss,parameters\na,1,2,1e6\n", {"r.csv:2: parameters = \"1e6\": allowed: a whole"}},
           {"arm,seed,loss,parameters\na,1,2,7\na,2,2,8\n",
            {"r.csv:3: parameters = \"8\"", "line 2 says", "7"}},
           {"arm,seed,loss,ms_per_iter\na,1,2,-1\n",
            {"ms_per_iter = \"-1\": allowed: a number from 0 on"}}}) {
    SCOPED_TRACE(csv);
    for (const auto& part : message) expect_error([&] { parse(csv); }, {part});
  }
  expect_error([&] { parse(kRuns, {.baseline = "x"}); }, {"--baseline = \"x\"", "base, plain, wide"});
}

}  // namespace
}  // namespace kablate
