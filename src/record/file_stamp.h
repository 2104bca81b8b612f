// Size and times of a file or a folder: what stands still as long as nothing in it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace kablate {

// Changes whenever a file is written again, and when a folder's entries change.
struct FileStamp {
  std::int64_t bytes = 0, modified_ns = 0, changed_ns = 0;
  bool operator==(const FileStamp&) const = default;

  // Whether a change that followed at once would have left another time: clocks of file systems tick slowly.
  bool settled() const;
};

std::optional<FileStamp> stamp_of(const std::filesystem::path& path);  // empty if it can't be looked at

}  // namespace kablate
