#include "record/log_tail.h"

#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"
#include "record/metrics.h"

namespace kablate {
namespace {

std::optional<struct stat> look_at(const std::filesystem::path& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return {};
  return found;
}

std::string bytes_of(const std::filesystem::path& path, off_t from, off_t to) {
  std::string text(static_cast<std::size_t>(to - from), '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const auto got = ::pread(file, text.data(), text.size(), from);
  ::close(file);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace

LogTail::LogTail(std::filesystem::path path) : path_(std::move(path)) { skip_all(); }

void LogTail::skip_all() {
  if (const auto kind = other_than_file(path_); !kind.empty())
    throw UserError(str(path_.string(), ": is ", kind, ", not a file; take it away"));
  const auto found = look_at(path_);
  if (found) file_ = found->st_ino, read_ = found->st_size;
}

std::vector<MetricsRow> LogTail::read() {
  const auto found = look_at(path_);
  if (!found) return {};
  if (!file_) file_ = found->st_ino;  // it was not there before: all of it is new
  if (found->st_ino != *file_ || found->st_size < read_) {
    skip_all();
    return {};
  }
  if (found->st_size == read_) return {};
  const auto text = bytes_of(path_, read_, found->st_size);
  const auto whole = text.rfind('\n');
  if (whole == std::string::npos) return {};
  read_ += static_cast<off_t>(whole + 1);
  return parse_metrics(std::string_view(text).substr(0, whole + 1));
}

}  // namespace kablate
