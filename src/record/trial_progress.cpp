#include "record/trial_progress.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "record/metrics_row.h"

namespace kablate {
namespace {

// The end of a log, from the start of a line on.
std::string last_lines(const std::filesystem::path& path) {
  constexpr std::streamoff kMost = 1 << 16;
  std::ifstream file(path, std::ios::binary);
  if (!file.seekg(0, std::ios::end)) return "";
  const std::streamoff size = file.tellg(), from = std::max<std::streamoff>(0, size - kMost);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  file.seekg(from);
  file.read(text.data(), std::ssize(text));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return from == 0 ? text : text.substr(std::min(text.size(), text.find('\n') + 1));
}

}  // namespace

std::optional<TrialProgress> read_progress(const TrialFolder& folder) {
  constexpr std::size_t kRows = 20;  // for the pace
  std::vector<TrainRow> rows;
  auto lines = split(last_lines(folder.metrics()), '\n');
  lines.pop_back();  // without its end it is still being written
  for (const auto& line : lines) {
    const auto row = metrics_row_from_text(line);
    if (row && std::holds_alternative<TrainRow>(*row)) rows.push_back(std::get<TrainRow>(*row));
  }
  if (rows.empty()) return {};
  if (rows.size() > kRows) rows.erase(rows.begin(), rows.end() - kRows);
  TrialProgress progress;
  progress.done = rows.back().iteration + 1, progress.loss = rows.back().loss;
  double ms = 0, speed = 0;
  std::int64_t known = 0;
  for (const auto& row : rows)
    if (row.ms && row.tokens_per_s) ms += *row.ms, speed += *row.tokens_per_s, ++known;
  if (known > 0)
    progress.ms = ms / static_cast<double>(known), progress.tokens_per_s = speed / static_cast<double>(known);
  return progress;
}

}  // namespace kablate
