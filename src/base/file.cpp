#include "base/file.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace kablate {
namespace fs = std::filesystem;
namespace {

WorkError failed(const fs::path& path, const char* what) {
  return WorkError(str(path.string(), ": ", what, " failed (", std::strerror(errno), ")"));
}

// Closes on every way out; close() itself is checked where it can report a full disk.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void write_all(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw failed(path, "writing");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string read_text(const fs::path& path) {
  InputFile file(path);
  std::string content;
  std::vector<char> buffer(file.piece(1 << 18));
  while (const auto got = file.read_some(buffer.data(), buffer.size())) content.append(buffer.data(), got);
  return content;
}

void write_file(const fs::path& path, std::string_view content) { write_file(path, std::span(&content, 1)); }

void write_file(const fs::path& path, std::span<const std::string_view> pieces) {
  const fs::path temporary = path.string() + ".tmp" + unique_word();
  try {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
    if (file.fd < 0) throw failed(path, "writing");
    for (const auto piece : pieces) write_all(file.fd, piece, path);
    if (::fsync(file.fd) != 0) throw failed(path, "flushing");
    if (::close(std::exchange(file.fd, -1)) != 0) throw failed(path, "closing");
    rename_durably(temporary, path);
  } catch (const WorkError&) {
    ::unlink(temporary.c_str());
    throw;
  }
}

std::string unique_word() {
  std::random_device random;  // of the system, not of this process
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

void write_file_if_changed(const fs::path& path, std::string_view content) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored) && read_text(path) == content) return;
  write_file(path, content);
}

void copy_below(const fs::path& from, const fs::path& to, const std::string& name) {
  fs::create_directories((to / name).parent_path());
  fs::copy_file(from / name, to / name, fs::copy_options::skip_existing);
}

void rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw failed(to, "renaming to it");
  flush_to_disk(to.has_parent_path() ? to.parent_path() : fs::path("."));
}

void flush_to_disk(const fs::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) throw failed(path, "opening");
  // A file system that can't flush a folder says EINVAL; the rename itself was done.
  if (::fsync(file.fd) != 0 && errno != EINVAL) throw failed(path, "flushing");
}

void make_writable_folder(const fs::path& path) {
  std::error_code fault;
  fs::create_directories(path, fault);
  if (fault)
    throw UserError(str("results folder ", path.string(), ": can't be made (", fault.message(),
                        "); choose another with --results DIR or RESULTS=DIR"));
  const fs::path probe = path / (".probe" + unique_word());
  Descriptor file{::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  const bool written = file.fd >= 0 && ::write(file.fd, "x", 1) == 1;
  const int reason = errno;
  ::unlink(probe.c_str());
  if (!written)
    throw UserError(str("results folder ", path.string(), ": can't be written (", std::strerror(reason),
                        "); choose another with --results DIR or RESULTS=DIR"));
}

std::string why_read_only(const fs::path& folder) {
  const fs::path probe = folder / (".probe" + unique_word());  // access() grants root everything
  const Descriptor file{::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  const int reason = errno;
  if (file.fd >= 0) ::unlink(probe.c_str());
  if (file.fd >= 0 || (reason != EROFS && reason != EACCES && reason != EPERM)) return "";
  return str("can only be read (", std::strerror(reason), ")");
}

fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

}  // namespace kablate
