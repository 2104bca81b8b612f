#include "runner/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

// Between fork and exec only what is safe after a fork of a process with threads.
[[noreturn]] void become(char* const* arguments, int input, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitInterrupted);  // it died before the line above
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execv("/proc/self/exe", arguments);  // the file this process runs, even where a build has replaced it
  ::_exit(kExitFailed);
}

// A file in memory with this content, at its start; -1 if there can be none.
int file_with(const std::string& content) {
  const int fd = ::memfd_create("kablate-input", MFD_CLOEXEC);
  if (fd < 0) return fd;
  const auto written = ::write(fd, content.data(), content.size());
  if (written == static_cast<ssize_t>(content.size()) && ::lseek(fd, 0, SEEK_SET) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const std::string& input) {
  std::vector<char*> pointers{const_cast<char*>("kablate")};
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  output_ = ::memfd_create("kablate-trial", MFD_CLOEXEC);
  const int given = file_with(input);
  const sigset_t signals = stop_signals();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);  // over the fork and exec
  const pid_t parent = ::getpid();
  pid_ = output_ < 0 || given < 0 ? -1 : ::fork();
  if (pid_ == 0) become(pointers.data(), given, output_, parent);
  const int reason = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (given >= 0) ::close(given);
  if (pid_ < 0) throw WorkError(str("a trial's process can't be started (", std::strerror(reason), ")"));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::exchange(other.output_, -1)) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) ::close(output_);
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

ExitStatus ChildProcess::collect(int status) {
  pid_ = -1;
  ExitStatus result;
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  ::lseek(output_, 0, SEEK_SET);
  char buffer[4096];
  for (ssize_t size; (size = ::read(output_, buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, static_cast<std::size_t>(size));
  return result;
}

std::optional<ExitStatus> ChildProcess::poll() {
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return {};
  return collect(status);
}

ExitStatus ChildProcess::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return collect(status);
}

}  // namespace kablate
