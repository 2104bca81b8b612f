// metrics.jsonl: one JSON object a line, appended as the trial goes. A row has "kind" ("train", "eval" or
// "mechanisms"), "iteration", and numbers; what is no number is null.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

class MetricsLog {
 public:
  // Opens the log of a trial that starts, or goes on, with iteration `first_iteration`:
  // rows with "iteration" >= it are dropped, so that each stands there once however
  // often the trial is interrupted; so is what a crash left at the end that is no row.
  // Throws WorkError if the file can't be written, or is damaged before that place.
  MetricsLog(const TrialFolder& folder, std::int64_t first_iteration);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // Writes one line and hands it to the system at once. Throws WorkError (disk full …).
  void append(const Json& row);

  // Flushes the rows to the disk. To be called before a checkpoint is written: what a checkpoint relies on
  // must not be lost when the machine stops.
  void flush();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

// The rows of a log, in order; a torn end is left out.
// `problem`, where given, gets what was wrong ("" if nothing).
std::vector<Json> read_metrics(const std::filesystem::path& path, std::string* problem = nullptr);

// The last iteration that stands in a log being written, from its end alone; 0 if there is none.
std::int64_t last_logged_iteration(const std::filesystem::path& path);

// The rows without what depends on the clock or the machine's load (ms, tokens_per_s, mfu …): the loss log,
// equal for equal trials.
std::vector<Json> loss_log(const std::vector<Json>& rows);
std::string loss_log_sha256(const std::filesystem::path& metrics_path);

}  // namespace kablate
