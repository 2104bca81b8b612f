#include "record/metrics.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// Keys whose values depend on the clock, on what else runs
// or on the allocator; so do those with such an ending.
constexpr std::string_view kClockKeys[] = {"ms", "tokens_per_s", "mfu", "mfu_nanogpt", "time", "beside"};

bool of_the_clock(std::string_view key) {
  for (const auto known : kClockKeys)
    if (key == known) return true;
  return key.ends_with("_s") || key.ends_with("_ms") || key.ends_with("_seconds") || key.ends_with("_bytes");
}

struct Row {
  Json json;
  std::string_view line;  // with its line end
  std::int64_t iteration = 0;
};

// The rows of `text` up to the first line that is none; `rest` gets what follows.
std::vector<Row> parse_rows(std::string_view text, std::string_view& rest) {
  std::vector<Row> rows;
  for (rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) break;
    Json json = Json::parse(rest.substr(0, end), nullptr, false);
    if (!json.is_object() || !json.contains("iteration") || !json["iteration"].is_number_integer()) break;
    const auto iteration = json["iteration"].get<std::int64_t>();
    rows.push_back({std::move(json), rest.substr(0, end + 1), iteration});
    rest.remove_prefix(end + 1);
  }
  return rows;
}

// Whether a row that must be kept stands behind a damaged line.
bool has_kept_row(std::string_view text, std::int64_t first_iteration) {
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    text.remove_prefix(end + 1);
    std::string_view rest;
    for (const auto& row : parse_rows(text, rest))
      if (row.iteration < first_iteration) return true;
    text = rest;
  }
  return false;
}

}  // namespace

MetricsLog::MetricsLog(const TrialFolder& folder, std::int64_t first_iteration) : path_(folder.metrics()) {
  std::error_code ignored;
  const std::string text = fs::exists(path_, ignored) ? read_text(path_) : "";
  std::string_view rest;
  std::string kept;
  const auto rows = parse_rows(text, rest);
  for (const auto& row : rows)
    if (row.iteration < first_iteration) kept += row.line;
  if (has_kept_row(rest, first_iteration))
    throw WorkError(str(path_.string(), ":", rows.size() + 1,
                        ": is damaged before the checkpoint's iteration ", first_iteration,
                        "; remove the trial's folder to train it from the start"));
  if (kept != text) write_file(path_, kept);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) throw WorkError(str(path_.string(), ": can't be written (", std::strerror(errno), ")"));
}

MetricsLog::~MetricsLog() {
  if (fd_ >= 0) ::close(fd_);
}

void MetricsLog::append(const Json& row) {
  const std::string line = row.dump() + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const auto written = ::write(fd_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw WorkError(str(path_.string(), ": writing failed (", std::strerror(errno), ")"));
    done += static_cast<std::size_t>(written);
  }
}

void MetricsLog::flush() {
  if (::fdatasync(fd_) != 0)
    throw WorkError(str(path_.string(), ": flushing failed (", std::strerror(errno), ")"));
}

std::vector<Json> read_metrics(const fs::path& path, std::string* problem) {
  std::vector<Json> rows;
  if (problem != nullptr) problem->clear();
  try {
    const std::string text = read_text(path);
    std::string_view rest;
    for (auto& row : parse_rows(text, rest)) rows.push_back(std::move(row.json));
    if (!rest.empty() && problem != nullptr)
      *problem = str(path.string(), ":", rows.size() + 1, ": no row of metrics from here on");
  } catch (const UserError& fault) {
    if (problem != nullptr) *problem = fault.what();
  }
  return rows;
}

std::vector<Json> loss_log(const std::vector<Json>& rows) {
  std::vector<Json> log;
  for (const auto& row : rows) {
    Json kept = Json::object();
    for (const auto& [key, value] : row.items())
      if (!of_the_clock(key)) kept[key] = value;
    log.push_back(std::move(kept));
  }
  return log;
}

std::string loss_log_sha256(const fs::path& metrics_path) {
  Sha256 hash;
  for (const auto& row : loss_log(read_metrics(metrics_path))) {
    const std::string line = row.dump() + "\n";
    hash.add(line.data(), line.size());
  }
  return hex(hash.finish());
}

}  // namespace kablate
