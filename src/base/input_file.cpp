#include "base/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

std::string kind_other_than_file(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "";
}

}  // namespace

InputFile::InputFile(std::filesystem::path path, std::string label, std::string_view remedy)
    : path_(std::move(path)), label_(std::move(label)) {
  const auto refuse = [&](const std::string& why) {
    return UserError(str(label_, ": ", why, remedy.empty() ? "" : "; ", remedy));
  };
  const auto refuse_errno = [&] {
    if (errno == ENOENT) return refuse("no such file");
    return refuse(str("can't be read (", std::strerror(errno), ")"));
  };
  const auto refuse_kind = [&](mode_t mode) {
    const auto kind = kind_other_than_file(mode);
    if (!kind.empty()) throw refuse(str("is ", kind, ", not a file"));
  };
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) throw refuse_errno();
  refuse_kind(status.st_mode);  // before opening, which a device may answer with an act
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw refuse_errno();
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  ::close(descriptor_);  // something else took the name meanwhile
  refuse_kind(status.st_mode);
  throw refuse("is no file");
}

InputFile::~InputFile() { ::close(descriptor_); }

std::size_t InputFile::piece(std::size_t most) const {
  constexpr std::uint64_t kLeast = 1 << 12;  // those of /proc have no size
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(size_ + 1, kLeast, most));
}

std::size_t InputFile::read_some(char* out, std::size_t count) {
  for (;;) {
    const auto got = ::read(descriptor_, out, count);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) throw UserError(str(label_, ": can't be read (", std::strerror(errno), ")"));
  }
}

void InputFile::read_at(std::uint64_t place, void* out, std::size_t count) const {
  auto* next = static_cast<char*>(out);
  while (count > 0) {
    const auto got = ::pread(descriptor_, next, count, static_cast<off_t>(place));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw UserError(str(label_, ": can't be read (", std::strerror(errno), ")"));
    if (got == 0)
      throw UserError(str(label_, ": ends at byte ", place, ", while it is read; is it being written?"));
    next += got, place += static_cast<std::uint64_t>(got), count -= static_cast<std::size_t>(got);
  }
}

std::string other_than_file(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? kind_other_than_file(status.st_mode) : "";
}

}  // namespace kablate
