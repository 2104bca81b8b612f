#include "base/archive.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/input_file.h"
#include "base/spawn.h"
#include "base/text.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// A file in memory, for what tar reads or says.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content = "") : fd_(::memfd_create("kablate", MFD_CLOEXEC)) {
    while (fd_ >= 0 && !content.empty()) {
      const auto written = ::write(fd_, content.data(), content.size());
      if (written < 0 && errno != EINTR) throw WorkError("out of memory");
      if (written > 0) content.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(fd_, 0, SEEK_SET);
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return fd_; }

  // How it begins, on one line.
  std::string text() const {
    std::string text(400, '\0');
    const auto size = ::pread(fd_, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return join(split(std::string(trim(text)), '\n'), "; ");
  }

  std::string content() const {
    std::string content;
    char buffer[4096];
    for (ssize_t size; (size = ::pread(fd_, buffer, sizeof buffer, std::ssize(content))) > 0;)
      content.append(buffer, static_cast<std::size_t>(size));
    return content;
  }

 private:
  int fd_;
};

// Ends tar if the wait for it is given up.
int wait_for(pid_t child, const Poll& poll) {
  int status = 0;
  try {
    for (pid_t ended; (ended = ::waitpid(child, &status, WNOHANG)) != child; ::usleep(10'000)) {
      if (ended < 0 && errno != EINTR)
        throw WorkError(str("tar: how it ended is lost: ", std::strerror(errno)));
      poll();
    }
  } catch (...) {
    ::kill(child, SIGTERM);
    ::waitpid(child, &status, 0);
    throw;
  }
  return status;
}

// Runs tar between two open files. "" or why it failed.
std::string tar(const std::vector<std::string>& arguments, int input, int output, const Poll& poll) {
  std::vector<std::string> line{"tar"};
  line.insert(line.end(), arguments.begin(), arguments.end());
  const auto variables = environment_without({"TAR_OPTIONS=", "TAPE=", "GZIP=", "POSIXLY_CORRECT="});
  const MemoryFile said;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, said.descriptor(), STDERR_FILENO);
  pid_t child = -1;
  const int fault = ::posix_spawnp(&child, "tar", &actions, nullptr, spawn_pointers(line).data(),
                                   spawn_pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (fault != 0) return str("tar can't be run (", std::strerror(fault), ")");
  const int status = wait_for(child, poll);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  poll();  // a terminal's Ctrl-C ends tar, too
  const auto text = said.text();
  return text.empty() ? "tar was ended" : text;
}

// Removes what is unfinished.
struct Temporary {
  fs::path path;
  ~Temporary() { ::unlink(path.c_str()); }
};

void refuse_other_than_files(const fs::path& file, const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto type = entry.symlink_status().type();
    if (type != fs::file_type::regular && type != fs::file_type::directory)
      throw UserError(str(file.string(), ": holds ", entry.path().lexically_relative(folder).string(),
                          ", a link or a device; `kablate pack` packs files alone"));
  }
}

}  // namespace

void write_archive(const fs::path& folder, const std::vector<std::string>& names, const fs::path& out,
                   const Poll& poll) {
  std::string list;
  for (const auto& name : names) list += name + '\0';
  const MemoryFile input(list);
  const Temporary file{out.string() + ".tmp" + unique_word()};
  const int output = ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (output < 0) throw WorkError(str(out.string(), ": can't be written (", std::strerror(errno), ")"));
  // `gzip -n`: no name and no time in the head. The names come one after the other as they are, so that none
  // is an option or goes through a folder again.
  std::string fault;
  try {
    fault = tar(
        {"--create", "--file=-", "--directory=" + folder.string(), "--format=gnu", "--no-recursion", "--null",
         "--verbatim-files-from", "--files-from=-", "--dereference", "--hard-dereference", "--owner=0",
         "--group=0", "--numeric-owner", "--mtime=@0", "--mode=u=rw,go=r", "--use-compress-program=gzip -n"},
        input.descriptor(), output, poll);
  } catch (...) {
    ::close(output);
    throw;
  }
  if (::close(output) != 0 && fault.empty()) fault = std::strerror(errno);
  if (!fault.empty()) throw WorkError(str(out.string(), ": can't be written: ", fault));
  flush_to_disk(file.path);
  rename_durably(file.path, out);
}

bool is_gzip(const fs::path& file) {
  const InputFile input(file);
  std::string begin(2, '\0');
  return ::pread(input.descriptor(), begin.data(), 2, 0) == 2 && begin == "\x1f\x8b";
}

std::vector<std::string> names_in_archive(const fs::path& file, const Poll& poll) {
  const InputFile input(file);
  const MemoryFile output;
  const auto fault = tar({"--list", "--file=-", "--gzip", "--quoting-style=literal"}, input.descriptor(),
                         output.descriptor(), poll);
  return fault.empty() ? split(output.content(), '\n') : std::vector<std::string>{};
}

void read_archive(const fs::path& file, const fs::path& folder, const Poll& poll) {
  const InputFile input(file);
  const MemoryFile output;
  const auto fault = tar({"--extract", "--file=-", "--gzip", "--directory=" + fs::absolute(folder).string(),
                          "--touch", "--no-same-owner", "--no-same-permissions"},
                         input.descriptor(), output.descriptor(), poll);
  if (!fault.empty())
    throw UserError(str(file.string(), ": can't be unpacked as an archive of `kablate pack`: ", fault));
  refuse_other_than_files(file, folder);
}

}  // namespace kablate
