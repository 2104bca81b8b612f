#include "record/file_stamp.h"

#include <chrono>

#include <sys/stat.h>

namespace kablate {

bool FileStamp::settled() const {
  constexpr std::int64_t kSettledNs = 2'000'000'000;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - modified_ns >= kSettledNs;
}

std::optional<FileStamp> stamp_of(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  const auto ns = [](const timespec& time) {
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
  };
  return FileStamp{info.st_size, ns(info.st_mtim), ns(info.st_ctim)};
}

}  // namespace kablate
