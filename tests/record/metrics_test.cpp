#include "record/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <random>

#include "base/file.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

Json train_row(std::int64_t iteration) {
  return {{"kind", "train"},
          {"iteration", iteration},
          {"loss", 4.0 / (1 + static_cast<double>(iteration))},
          {"ms", 12.5}};
}

std::vector<std::int64_t> iterations(const TrialFolder& folder) {
  std::vector<std::int64_t> result;
  for (const auto& row : read_metrics(folder.metrics())) result.push_back(row["iteration"]);
  return result;
}

void append_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

TEST(MetricsLog, IsReadWhileItIsWritten) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder, 0);
  log.append(train_row(0));
  log.append(train_row(10));
  log.flush();
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10}));
}

TEST(MetricsLog, DropsRowsFromTheIterationItGoesOnWith) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  {
    MetricsLog log(folder, 0);
    for (const auto i : {0, 10, 20, 30}) log.append(train_row(i));
  }
  MetricsLog log(folder, 20);
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10}));
  log.append(train_row(20));
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10, 20}));
}

TEST(MetricsLog, DropsATornEnd) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  const std::vector<std::string> kTorn{
      "{\"kind\": \"tra", "{}", std::string(40, '\0'), "{}\n", "[1]\n", "{\"iteration\": \"x\"}\n"};
  for (const auto& torn : kTorn) {
    SCOPED_TRACE(torn);
    write_file(folder.metrics(), train_row(0).dump() + "\n" + torn);
    std::string problem;
    EXPECT_EQ(read_metrics(folder.metrics(), &problem).size(), 1u);
    EXPECT_NE(problem.find("metrics.jsonl:2"), std::string::npos) << problem;
    MetricsLog log(folder, 5);
    log.append(train_row(5));
    EXPECT_EQ(read_text(folder.metrics()), train_row(0).dump() + "\n" + train_row(5).dump() + "\n");
  }
}

// Twenty interruptions at random places, each with a
// checkpoint up to some rows back and a torn row at the end.
TEST(MetricsLog, HoldsEachIterationOnceHoweverOftenInterrupted) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  std::int64_t next = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    MetricsLog log(folder, next);
    const std::int64_t end = next + static_cast<std::int64_t>(random() % 12);
    for (auto i = next; i < end; ++i) log.append(train_row(i));
    const std::string row = train_row(end).dump();
    append_text(folder.metrics(), row.substr(0, random() % row.size()));
    next = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(random() % 5));
  }
  MetricsLog log(folder, next);
  log.append(train_row(next));
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i <= next; ++i) expected.push_back(i);
  EXPECT_EQ(iterations(folder), expected);
}

TEST(MetricsLog, RefusesToGoOnAfterDamageBeforeTheCheckpoint) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  write_file(folder.metrics(), train_row(0).dump() + "\n???\n" + train_row(20).dump() + "\n");
  expect_error<WorkError>([&] { MetricsLog(folder, 30); }, {"metrics.jsonl:2", "damaged"});
  MetricsLog(folder, 20);  // what is behind the damage is trained again
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0}));
}

TEST(MetricsLog, WritesNullForWhatIsNoNumber) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder, 0);
  log.append({{"iteration", 1}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_TRUE(read_metrics(folder.metrics()).at(0)["loss"].is_null());
}

TEST(MetricsLog, SaysThatTheDiskIsFull) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder, 0);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{64, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expect_error<WorkError>(
      [&] {
        for (int i = 0; i < 9; ++i) log.append(train_row(i));
      },
      {"metrics.jsonl", "writing failed"});
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
}

TEST(LossLog, LeavesOutTimesAndNothingElse) {
  const Json kept = Json::parse(R"({"kind":"train","iteration":3,"loss":1.5,"grad_norm":2,"learning_rate":0.1,
                                    "clipped":4,"spikes":0,"resets":1})");
  Json row =
      Json::parse(R"({"ms":3,"tokens_per_s":4,"mfu":0.1,"mfu_nanogpt":0.1,"eval_ms":1,"wall_s":2,"beside":1,
                             "resident_bytes":7})");
  row.update(kept);
  EXPECT_EQ(loss_log({row}).at(0), kept);
}

TEST(LossLog, ChecksumDependsOnLossesNotOnTimes) {
  const TemporaryFolder root;
  const auto sum = [&](const std::string& text) {
    return loss_log_sha256(root.write("metrics.jsonl", text));
  };
  const auto plain = sum("{\"iteration\":1,\"loss\":2.5,\"ms\":10}\n");
  EXPECT_EQ(plain, sum("{\"iteration\":1,\"loss\":2.5,\"ms\":11}\n"));
  EXPECT_NE(plain, sum("{\"iteration\":1,\"loss\":2.5000000000000004,\"ms\":10}\n"));
  EXPECT_NE(plain, sum("{\"iteration\":2,\"loss\":2.5,\"ms\":10}\n"));
}

}  // namespace
}  // namespace kablate
