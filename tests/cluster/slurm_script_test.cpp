#include "cluster/slurm_script.h"

#include <functional>

#include <gtest/gtest.h>

#include "support/core/expect_error.h"

namespace kablate {
namespace {

const SlurmJob kJob{.experiment = "quick",
                    .program = "/r/quick/slurm/0001/kablate",
                    .folder = "/r/quick/slurm/0001",
                    .results = "/r/quick",
                    .cpus = 4};

SlurmOptions slurm_options() {
  SlurmOptions options;
  options.notice = 120;
  return options;
}

TEST(SlurmSeconds, AreThoseOfEveryForm) {
  for (const auto& [text, seconds] : std::vector<std::pair<const char*, double>>{
           {"90", 5400}, {"1:30", 90}, {"2:00:05", 7205}, {"1-2", 93600}, {"1-2:30", 95400}, {"0-0:0:7", 7}})
    EXPECT_EQ(slurm_seconds(text), seconds) << text;
  for (const auto* text : {"", "1h", "1:2:3:4", "-1", "1:", "1-", "x-1", "1.5", "UNLIMITED", "+5"})
    EXPECT_EQ(slurm_seconds(text), std::nullopt) << text;
}

void expect_refused(const std::function<void(SlurmOptions&)>& change,
                    std::initializer_list<std::string> parts) {
  auto options = slurm_options();
  change(options);
  testing_support::expect_error([&] { check_slurm(options); }, parts);
}

TEST(SlurmOptionsAreChecked, BySymbolValueAndWhatIsAllowed) {
  expect_refused([](auto& o) { o.time = "1h"; }, {"SLURM_TIME", "1h", "allowed"});
  expect_refused([](auto& o) { o.time = "3"; }, {"SLURM_TIME = 3", "SLURM_NOTICE = 120", "180 s"});
  expect_refused([](auto& o) { o.memory = "8 GB"; }, {"SLURM_MEMORY", "8 GB", "8G"});
  expect_refused([](auto& o) { o.memory = "G"; }, {"SLURM_MEMORY"});
  expect_refused([](auto& o) { o.partition = "a b"; }, {"SLURM_PARTITION", "a b", "blanks"});
  expect_refused([](auto& o) { o.constraint = "a\nb"; }, {"SLURM_CONSTRAINT"});
  expect_refused([](auto& o) { o.extra = "-N 2"; }, {"SLURM_EXTRA", "-N", "long options"});
  expect_refused([](auto& o) { o.extra = "--partition=x"; }, {"--partition", "SLURM_PARTITION instead"});
  expect_refused([](auto& o) { o.extra = "--exclude=n3 --output=x"; }, {"--output", "itself"});
  expect_refused([](auto& o) { o.extra = "--arr=3"; }, {"--arr", "SLURM_TASKS_AT_ONCE instead"});
  expect_refused([](auto& o) { o.extra = "--clusters=other"; }, {"--clusters", "itself"});
}

TEST(ArrayScript, SaysWhatIsAskedFor) {
  auto options = slurm_options();
  options.partition = "low", options.account = "mine", options.qos = "fast", options.time = "30:00";
  options.memory = "8G", options.constraint = "intel&avx512", options.gpus = 1;
  options.extra = "--exclude=n3  --mail-type=FAIL";
  check_slurm(options);
  const auto script = array_script(options, kJob);
  EXPECT_TRUE(script.starts_with("#!/bin/bash\n"));
  for (const auto* line : {"--job-name=kablate-quick", "--partition=low", "--account=mine", "--qos=fast",
                           "--time=30:00", "--mem=8G", "--constraint=intel&avx512", "--gres=gpu:1",
                           "--exclude=n3", "--mail-type=FAIL", "--cpus-per-task=4", "--requeue",
                           "--signal=B:USR1@120", "--output=/r/quick/slurm/0001/log/%A_%a.txt", "--ntasks=1"})
    EXPECT_NE(script.find(std::string("\n#SBATCH ") + line + "\n"), std::string::npos) << line;
  EXPECT_TRUE(script.ends_with(
      "\nexec '/r/quick/slurm/0001/kablate' task '/r/quick/slurm/0001' $(($1 + SLURM_ARRAY_TASK_ID))\n"));
}

TEST(ArrayScript, AsksForARankATask) {
  auto job = kJob;
  job.ranks = 3;
  const auto script = array_script(slurm_options(), job);
  EXPECT_NE(script.find("\n#SBATCH --ntasks=3\n"), std::string::npos) << script;
  EXPECT_EQ(script.find("--nodes"), std::string::npos) << script;
  EXPECT_EQ(script.find("--gpus"), std::string::npos) << script;
  auto options = slurm_options();
  options.gpus = 1;
  const auto on_gpus = array_script(options, job);
  EXPECT_NE(on_gpus.find("\n#SBATCH --gpus-per-task=1\n"), std::string::npos) << on_gpus;
  EXPECT_EQ(on_gpus.find("--gres"), std::string::npos) << "those of a node, however many ranks are on it";
  EXPECT_NE(report_script(slurm_options(), job).find("\n#SBATCH --ntasks=1\n"), std::string::npos);
}

TEST(ArrayScript, LeavesToThePartitionWhatIsNotSaid) {
  const auto script = array_script(slurm_options(), kJob);
  for (const auto* option :
       {"--partition", "--account", "--qos", "--time", "--mem", "--constraint", "--gres"})
    EXPECT_EQ(script.find(option), std::string::npos) << option;
}

TEST(ArrayScript, TakesAnyFolder) {
  auto job = kJob;
  job.folder = "/r/it's 100%/x";
  const auto script = array_script(slurm_options(), job);
  EXPECT_NE(script.find("\n#SBATCH --output=\"/r/it's 100%%/x/log/%A_%a.txt\"\n"), std::string::npos)
      << script;
  EXPECT_NE(script.find(" task '/r/it'\\''s 100%/x' "), std::string::npos) << script;
}

TEST(ReportScript, PrintsTheTable) {
  const auto script = report_script(slurm_options(), kJob);
  EXPECT_TRUE(script.ends_with("\nexec '/r/quick/slurm/0001/kablate' report '/r/quick'\n"));
  EXPECT_EQ(
      report_call("/s/report.sh", {"12", "13"}),
      (std::vector<std::string>{"sbatch", "--parsable", "--dependency=afterany:12:13", "/s/report.sh"}));
}

TEST(ArrayParts, CoverEveryTaskOnce) {
  const auto parts = array_parts(25, 10);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].first, 20);
  EXPECT_EQ(parts[2].count, 5);
  EXPECT_EQ(array_parts(10, 10).size(), 1u);
}

TEST(ArrayCall, LimitsTasksAtOnceOverAllParts) {
  auto options = slurm_options();
  using Words = std::vector<std::string>;
  EXPECT_EQ(array_call(options, {10, 5}, "/s.sh", "7"),
            (Words{"sbatch", "--parsable", "--array=0-4", "/s.sh", "10"}));
  options.at_once = 3;
  EXPECT_EQ(array_call(options, {10, 5}, "/s.sh", "7"),
            (Words{"sbatch", "--parsable", "--array=0-4%3", "--dependency=afterany:7", "/s.sh", "10"}));
}

TEST(OverrulingVariables, AreThoseOfWhatIsSet) {
  auto options = slurm_options();
  const auto has = [&](const char* name) {
    const auto names = overruling_variables(options);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  EXPECT_TRUE(has("SBATCH_SIGNAL"));
  EXPECT_FALSE(has("SBATCH_PARTITION")) << "the user's own default";
  options.partition = "low";
  EXPECT_TRUE(has("SBATCH_PARTITION"));
}

}  // namespace
}  // namespace kablate
