// What is new in a log that another process writes (metrics.h): each row is read once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <sys/types.h>

#include "record/metrics_row.h"

namespace kablate {

class LogTail {
 public:
  // What stands there by now is not new. There may be nothing yet; throws UserError where it is no file.
  explicit LogTail(std::filesystem::path path);

  // The whole rows that have come since the last call; none where the file can't be read. A file that has
  // taken the place of the one before has none yet: a trial that goes on from a checkpoint writes the rows
  // that it keeps anew.
  std::vector<MetricsRow> read();

 private:
  void skip_all();

  std::filesystem::path path_;
  std::optional<ino_t> file_;
  off_t read_ = 0;  // bytes
};

}  // namespace kablate
