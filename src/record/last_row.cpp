#include <fstream>

#include "base/text.h"
#include "record/metrics.h"

namespace kablate {

std::int64_t last_logged_iteration(const std::filesystem::path& path) {
  constexpr std::streamoff kTail = 4096;  // several rows
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return 0;
  const std::streamoff size = file.tellg(), start = std::max<std::streamoff>(0, size - kTail);
  std::string tail(static_cast<std::size_t>(size - start), '\0');
  file.seekg(start);
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  const auto lines = split(tail, '\n');
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const Json row = Json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (row.is_object() && row.contains("iteration") && row["iteration"].is_number_integer())
      return row["iteration"];
  }
  return 0;
}

}  // namespace kablate
