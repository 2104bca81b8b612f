#include "record/metrics.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

std::string log_text(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? read_text(path) : "";
}

// What stands before the mark. Throws as check_log.
std::string_view marked_part(const fs::path& path, std::string_view text, const LogMark& mark) {
  const auto part = text.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(0, mark.bytes)));
  if (mark_of(part) == mark) return part;
  throw WorkError(str(path.string(), ": does not begin with the ", mark.rows,
                      " rows that stood in it when the checkpoint was made"));
}

}  // namespace

LogMark mark_of(std::string_view text) {
  return {static_cast<std::int64_t>(text.size()), std::count(text.begin(), text.end(), '\n'),
          hex(sha256(text))};
}

void check_log(const TrialFolder& folder, const LogMark& mark) {
  marked_part(folder.metrics(), log_text(folder.metrics()), mark);
}

MetricsLog::MetricsLog(const TrialFolder& folder, const LogMark& mark)
    : path_(folder.metrics()), bytes_(mark.bytes), rows_(mark.rows) {
  const std::string text = log_text(path_);
  const auto kept = marked_part(path_, text, mark);
  hash_.add(kept.data(), kept.size());
  if (kept.size() != text.size()) write_file(path_, kept);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) throw WorkError(str(path_.string(), ": can't be written (", std::strerror(errno), ")"));
}

MetricsLog::~MetricsLog() {
  if (fd_ >= 0) ::close(fd_);
}

void MetricsLog::append(const MetricsRow& row) {
  const std::string line = to_json(row).dump() + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const auto written = ::write(fd_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw WorkError(str(path_.string(), ": writing failed (", std::strerror(errno), ")"));
    done += static_cast<std::size_t>(written);
  }
  hash_.add(line.data(), line.size());
  bytes_ += static_cast<std::int64_t>(line.size());
  ++rows_;
}

LogMark MetricsLog::mark() const { return {bytes_, rows_, hex(hash_.so_far())}; }

void MetricsLog::flush() {
  if (::fdatasync(fd_) != 0)
    throw WorkError(str(path_.string(), ": flushing failed (", std::strerror(errno), ")"));
}

std::vector<MetricsRow> parse_metrics(std::string_view text, std::int64_t* damaged) {
  std::vector<MetricsRow> rows;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    auto row = metrics_row_from_text(text.substr(0, end));
    if (!row) break;
    rows.push_back(std::move(*row));
    text.remove_prefix(end + 1);
  }
  if (damaged != nullptr) *damaged = text.empty() ? 0 : std::ssize(rows) + 1;
  return rows;
}

std::vector<Json> loss_log(const std::vector<MetricsRow>& rows) {
  std::vector<Json> log;
  for (const auto& row : rows) log.push_back(without_clock(row));
  return log;
}

}  // namespace kablate
