#include "record/log_tail.h"

#include <fstream>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/file.h"
#include "record/metrics.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

std::string line(std::int64_t iteration) {
  return to_json(TrainRow{.iteration = iteration, .loss = 2, .ms = 5}).dump() + "\n";
}

void append(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

std::vector<std::int64_t> new_ones(LogTail& tail) {
  std::vector<std::int64_t> iterations;
  for (const auto& row : tail.read()) iterations.push_back(iteration_of(row));
  return iterations;
}

using Iterations = std::vector<std::int64_t>;

TEST(LogTail, ReadsEachWholeRowOnce) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  LogTail tail(path);
  EXPECT_EQ(new_ones(tail), Iterations{}) << "there is no file yet";
  append(path, line(0) + line(10) + line(20).substr(0, 9));
  EXPECT_EQ(new_ones(tail), (Iterations{0, 10}));
  EXPECT_EQ(new_ones(tail), Iterations{});
  append(path, line(20).substr(9) + line(30));
  EXPECT_EQ(new_ones(tail), (Iterations{20, 30}));
}

TEST(LogTail, LeavesOutWhatAnEarlierAttemptWrote) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  append(path, line(0) + line(10) + line(20));
  LogTail tail(path);
  EXPECT_EQ(new_ones(tail), Iterations{});
  write_file(path, line(0) + line(10));  // what the checkpoint counts, in a file of its own
  EXPECT_EQ(new_ones(tail), Iterations{});
  append(path, line(20));
  EXPECT_EQ(new_ones(tail), Iterations{20});
}

TEST(LogTail, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  testing_support::expect_error([&] { LogTail tail(folder.path()); }, {"is a folder"});
  const auto pipe = folder.path() / "metrics.jsonl";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  testing_support::expect_error([&] { LogTail tail(pipe); }, {"metrics.jsonl: is a pipe, not a file"});
}

}  // namespace
}  // namespace kablate
