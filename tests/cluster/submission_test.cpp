#include "cluster/submission.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "cluster/slurm.h"
#include "cluster/task_map.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

struct Submitted : testing::Test {
  SubmittedTrial trial(std::int64_t step, std::int64_t seed) const {
    return {.step = step, .name = "an arm", .seed = seed, .rerun_index = step, .key = std::string(64, 'b')};
  }
  std::string folder_of(std::int64_t step, std::int64_t seed) const {
    return trial_folder_name({.step = step, .name = "an arm", .seed = seed, .key = std::string(64, 'b')});
  }
  SubmissionFolder submit(const std::vector<SubmittedTrial>& trials, const std::vector<SubmittedJob>& jobs) {
    const auto folder = new_submission(experiment);
    write_submission(folder, {"2026-01-31T12:00:00Z", "/data", 3, true, trials});
    for (const auto& job : jobs) add_job(folder, job);
    return folder;
  }
  TemporaryFolder root;
  ExperimentFolder experiment{root.path()};
};

TEST_F(Submitted, IsReadBack) {
  const auto folder = submit({trial(0, 1), trial(2, 7)}, {{"12", 0, 2}, {"13", 0, 0}});
  EXPECT_EQ(folder.path().filename(), "0001");
  EXPECT_EQ(folder.experiment().path(), experiment.path());
  const auto read = read_submission(folder);
  EXPECT_EQ(read.created, "2026-01-31T12:00:00Z");
  EXPECT_EQ(read.data, "/data");
  EXPECT_EQ(read.threads, 3);
  EXPECT_TRUE(read.retry);
  ASSERT_EQ(read.trials.size(), 2u);
  EXPECT_EQ(read.trials[1].step, 2);
  EXPECT_EQ(read.trials[1].name, "an arm");
  EXPECT_EQ(read.trials[1].seed, 7);
  EXPECT_EQ(read.trials[1].rerun_index, 2);
  EXPECT_EQ(read.trials[1].key, std::string(64, 'b'));
  ASSERT_EQ(read_jobs(folder).size(), 2u);
  EXPECT_EQ(read_jobs(folder)[0].id, "12");
  EXPECT_EQ(read_jobs(folder)[0].count, 2);
}

TEST_F(Submitted, HaveNumbersOfTheirOwn) {
  std::filesystem::create_directories(experiment.slurm() / "notes");
  for (const auto* number : {"0001", "0002", "0003"})
    EXPECT_EQ(new_submission(experiment).path().filename(), number);
  std::filesystem::create_directories(experiment.slurm() / "0099");
  EXPECT_EQ(new_submission(experiment).path().filename(), "0100");
  EXPECT_EQ(submissions(experiment).size(), 5u);
}

TEST_F(Submitted, ADamagedRecordIsNamed) {
  const auto folder = submit({trial(0, 1)}, {});
  std::ofstream(folder.record(), std::ios::app) << " ";
  EXPECT_THROW(read_submission(folder), UserError);
}

TEST_F(Submitted, ATornLineOfJobsIsLeftOut) {
  const auto folder = submit({trial(0, 1)}, {{"12", 0, 1}});
  std::ofstream(folder.jobs(), std::ios::app) << "13 0";
  EXPECT_EQ(read_jobs(folder).size(), 1u);
}

TEST_F(Submitted, TasksAreFoundByTheirPlace) {
  submit({trial(0, 1), trial(1, 1), trial(2, 1)}, {{"12", 0, 2}, {"13", 2, 1}, {"14", 0, 0}});
  submit({trial(1, 1)}, {{"20", 0, 1}});
  EXPECT_EQ(submitted_arrays(experiment), (std::vector<std::string>{"12", "13", "20"}));
  const auto found = tasks_by_trial(experiment, parse_squeue("warning: something\n"
                                                             "kablate|12|0|RUNNING|None|n1\n"
                                                             "kablate|12|1|PENDING|Resources|\n"
                                                             "kablate|12|2|PENDING|of no trial|\n"
                                                             "kablate|13|0|COMPLETING|None|n2\n"
                                                             "kablate|14|N/A|PENDING|Dependency|\n"
                                                             "kablate|20|0|PENDING|later|\n"
                                                             "kablate|99|0|RUNNING|of others|n3\n"));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found.at(folder_of(0, 1)).node, "n1");
  EXPECT_EQ(found.at(folder_of(1, 1)).reason, "later") << "of several submissions the last";
  EXPECT_EQ(found.at(folder_of(2, 1)).state, "COMPLETING");
}

TEST(ParseSacct, TakesTasksAlone) {
  const auto tasks = parse_sacct(
      "12_0|COMPLETED|n1\n12_1|CANCELLED by 0|n2\n12_[2-3]|PENDING|None assigned\n"
      "13|NODE_FAIL|n1\n");
  ASSERT_EQ(tasks.size(), 3u);
  EXPECT_EQ(tasks[1].state, "CANCELLED");
  EXPECT_EQ(tasks[1].task, 1);
  EXPECT_EQ(tasks[2].task, std::nullopt);
}

}  // namespace
}  // namespace kablate
