// metrics.jsonl: a row (metrics_row.h) a line, appended as the trial goes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "record/layout.h"
#include "record/metrics_row.h"

namespace kablate {

// How far a log is: what stood in the file when a checkpoint was made.
struct LogMark {
  std::int64_t bytes = 0, rows = 0;
  std::string sha256 = hex(kablate::sha256(""));  // of those bytes
  bool operator==(const LogMark&) const = default;
};

// Of a whole text.
LogMark mark_of(std::string_view text);

// Throws WorkError naming the file if it does not begin with the bytes of the mark.
void check_log(const TrialFolder& folder, const LogMark& mark);

class MetricsLog {
 public:
  // Opens the log of a trial that goes on from `mark`, or starts: what stands behind it is dropped (rows that
  // are made again, and what a crash left that is no row). Throws WorkError as check_log, or if the file
  // can't be written.
  explicit MetricsLog(const TrialFolder& folder, const LogMark& mark = {});
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // Writes one line and hands it to the system at once. Throws WorkError (disk full …).
  void append(const MetricsRow& row);

  // Where the log stands: of what was written, whatever has become of the file since.
  LogMark mark() const;

  // Flushes the rows to the disk. To be called before a checkpoint is written: what a checkpoint relies on
  // must not be lost when the machine stops.
  void flush();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::int64_t bytes_ = 0, rows_ = 0;
  Sha256 hash_;
};

// The rows of a log's text, in order, up to the first line that is none: its number, from 1, is put in
// `damaged` (0 if all are rows). A last line without its end is one too.
std::vector<MetricsRow> parse_metrics(std::string_view text, std::int64_t* damaged = nullptr);

// The rows without what depends on the clock (without_clock): equal for equal trials.
std::vector<Json> loss_log(const std::vector<MetricsRow>& rows);

}  // namespace kablate
