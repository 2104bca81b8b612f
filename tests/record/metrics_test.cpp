#include "record/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

TrainRow train_row(std::int64_t iteration) {
  return {.iteration = iteration, .loss = 4.0 / (1 + static_cast<double>(iteration)), .ms = 12.5};
}

std::vector<MetricsRow> read(const TrialFolder& folder) { return parse_metrics(read_text(folder.metrics())); }

std::vector<std::int64_t> iterations(const TrialFolder& folder) {
  std::vector<std::int64_t> result;
  for (const auto& row : read(folder)) result.push_back(iteration_of(row));
  return result;
}

std::string line_of(const MetricsRow& row) { return to_json(row).dump() + "\n"; }

void append_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

TEST(MetricsLog, IsReadWhileItIsWritten) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder);
  log.append(train_row(0));
  log.append(train_row(10));
  log.flush();
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10}));
  EXPECT_EQ(log.mark(), mark_of(read_text(folder.metrics())));
}

TEST(MetricsLog, DropsWhatStandsBehindTheMarkItGoesOnFrom) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  LogMark mark;
  {
    MetricsLog log(folder);
    for (const auto i : {0, 10, 20, 30}) {
      log.append(train_row(i));
      if (i == 10) mark = log.mark();
    }
  }
  EXPECT_EQ(mark.rows, 2);
  MetricsLog log(folder, mark);
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10}));
  log.append(train_row(20));
  EXPECT_EQ(iterations(folder), (std::vector<std::int64_t>{0, 10, 20}));
  EXPECT_EQ(log.mark(), mark_of(read_text(folder.metrics()))) << "what was there before is counted";
}

TEST(MetricsLog, DropsATornEnd) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  const std::vector<std::string> kTorn{
      "{\"kind\": \"tra", "{}", std::string(40, '\0'), "{}\n", "[1]\n", "{\"iteration\": \"x\"}\n"};
  for (const auto& torn : kTorn) {
    SCOPED_TRACE(torn);
    write_file(folder.metrics(), line_of(train_row(0)) + torn);
    std::int64_t damaged = 0;
    EXPECT_EQ(parse_metrics(read_text(folder.metrics()), &damaged).size(), 1u);
    EXPECT_EQ(damaged, 2);
    MetricsLog log(folder, mark_of(line_of(train_row(0))));
    log.append(train_row(5));
    EXPECT_EQ(read_text(folder.metrics()), line_of(train_row(0)) + line_of(train_row(5)));
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
  std::vector<LogMark> marks{{}};  // by the next iteration
  std::int64_t next = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    MetricsLog log(folder, marks[static_cast<std::size_t>(next)]);
    marks.resize(static_cast<std::size_t>(next) + 1);
    const std::int64_t end = next + static_cast<std::int64_t>(random() % 12);
    for (auto i = next; i < end; ++i) log.append(train_row(i)), marks.push_back(log.mark());
    const std::string row = line_of(train_row(end));
    append_text(folder.metrics(), row.substr(0, random() % row.size()));
    next = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(random() % 5));
  }
  MetricsLog log(folder, marks[static_cast<std::size_t>(next)]);
  log.append(train_row(next));
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i <= next; ++i) expected.push_back(i);
  EXPECT_EQ(iterations(folder), expected);
}

TEST(MetricsLog, RefusesToGoOnFromAnyBitThatWasChangedBeforeTheMark) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  const std::string marked = line_of(train_row(0)) + line_of(train_row(20)), rest = line_of(train_row(30));
  const auto mark = mark_of(marked);
  for (std::size_t at = 0; at < marked.size(); ++at) {
    std::string text = marked + rest;
    text[at] = static_cast<char>(text[at] ^ (1 << at % 8));
    write_file(folder.metrics(), text);
    expect_error<WorkError>([&] { MetricsLog(folder, mark); }, {"metrics.jsonl", "2 rows"});
    EXPECT_EQ(read_text(folder.metrics()), text) << "it was left as it is";
  }
  for (const auto& text : {std::string(), line_of(train_row(0)), marked.substr(0, marked.size() - 1)}) {
    write_file(folder.metrics(), text);
    EXPECT_THROW(check_log(folder, mark), WorkError);
  }
  write_file(folder.metrics(), marked + "???");
  EXPECT_NO_THROW(MetricsLog(folder, mark)) << "what is behind the mark is made again";
  EXPECT_EQ(read_text(folder.metrics()), marked);
}

TEST(MetricsLog, WritesNullForWhatIsNoNumber) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder);
  log.append(TrainRow{.iteration = 1, .loss = std::numeric_limits<double>::quiet_NaN()});
  EXPECT_NE(read_text(folder.metrics()).find("\"loss\":null"), std::string::npos);
  EXPECT_FALSE(std::get<TrainRow>(read(folder).at(0)).loss);
}

TEST(MetricsLog, InAPipeIsNotWaitedFor) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  ASSERT_EQ(::mkfifo(folder.metrics().c_str(), 0600), 0);
  expect_error([&] { MetricsLog(folder, mark_of("")); }, {"metrics.jsonl: is a pipe, not a file"});
}

TEST(MetricsLog, SaysThatTheDiskIsFull) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  MetricsLog log(folder);
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

// A row of each kind with every field set.
std::vector<MetricsRow> full_rows() {
  return {TrainRow{.iteration = 3,
                   .loss = 1.5,
                   .grad_norm = 2,
                   .learning_rate = 0.1,
                   .clipped_elements = 4,
                   .spikes = 5,
                   .resets = 6,
                   .tokens = "00ff",
                   .ms = 7,
                   .tokens_per_s = 8,
                   .mfu = 0.25,
                   .mfu_nanogpt = 0.5},
          EvaluationRow{.iteration = 4, .train_loss = 1.25, .val_loss = 0.1 + 0.2, .tokens = "aa"},
          MechanismRow{4, 1, {{"gate_mean", 0.5}, {"routing_entropy", 1.0}}}};
}

TEST(MetricsRow, ComesBackAsItWas) {
  for (const auto& row : full_rows()) EXPECT_EQ(metrics_row_from_text(line_of(row)), row) << line_of(row);
}

TEST(MetricsRow, SaysOfSeveralRanksWhatTheyWaitedFor) {
  TrainRow row{.iteration = 3, .loss = 1.5, .tokens = "00ff"};
  EXPECT_FALSE(to_json(row).contains("communication_share"));
  row.tokens_per_s_rank = 4, row.communication_share = 0.125;
  EXPECT_EQ(metrics_row_from_text(line_of(row)), MetricsRow(row));
  EXPECT_FALSE(without_clock(row).contains("tokens_per_s_rank"));
  EXPECT_FALSE(without_clock(row).contains("communication_share"));
}

// Of a model that prunes; any other's has no such key.
TEST(MetricsRow, HasASparsityWhereThereIsOne) {
  TrainRow row{.iteration = 3, .loss = 1.5, .tokens = "00ff"};
  EXPECT_FALSE(to_json(row).contains("sparsity"));
  row.sparsity = 0.4375;
  EXPECT_EQ(metrics_row_from_text(line_of(row)), MetricsRow(row));
  EXPECT_EQ(without_clock(row).at("sparsity"), 0.4375) << "a part of the loss log";
  EXPECT_FALSE(losses_of(row).contains("sparsity"));
  Json other = to_json(row);
  other["sparsity"] = "half";
  EXPECT_FALSE(metrics_row_from_text(other.dump()));
}

TEST(MetricsRow, OfAnotherFormIsNone) {
  for (const auto& row : full_rows()) {
    const Json whole = to_json(row);
    for (const auto& [key, value] : whole.items()) {
      if (row.index() == 2 && key != "kind" && key != "iteration" && key != "block") continue;
      Json less = whole, other = whole;
      less.erase(key);
      other[key] = Json::array();
      EXPECT_FALSE(metrics_row_from_text(less.dump())) << "without " << key;
      EXPECT_FALSE(metrics_row_from_text(other.dump())) << "another " << key;
    }
    Json more = whole, negative = whole;
    more["more"] = "x";
    negative["iteration"] = -1;
    EXPECT_FALSE(metrics_row_from_text(more.dump()) || metrics_row_from_text(negative.dump()));
  }
  Json huge = to_json(full_rows()[1]);
  huge["val_loss"] = 1e308;
  EXPECT_FALSE(metrics_row_from_text(huge.dump())) << "no float32 gives such a loss";
}

TEST(LossLog, LeavesOutTheClockAndNothingElse) {
  const auto rows = full_rows();
  const auto log = loss_log(rows);
  EXPECT_EQ(log[0],
            Json::parse(R"({"kind":"train","iteration":3,"loss":1.5,"grad_norm":2.0,"learning_rate":0.1,
                                    "clipped_elements":4,"spikes":5,"resets":6,"tokens":"00ff"})"));
  EXPECT_EQ(log[1], to_json(rows[1]));
  EXPECT_EQ(log[2], to_json(rows[2]));
}

TEST(LossesOf, ARowAreWhatATwinSharesWithItsBaseline) {
  const auto rows = full_rows();
  EXPECT_EQ(losses_of(rows[0]), Json::parse(R"({"kind":"train","iteration":3,"loss":1.5})"));
  EXPECT_EQ(losses_of(rows[1]).size(), 4u);
  EXPECT_TRUE(losses_of(rows[2]).is_null());
}

}  // namespace
}  // namespace kablate
