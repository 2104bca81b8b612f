#include "runner/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/spawn.h"
#include "base/stop_signal.h"
#include "base/text.h"

namespace kablate {
namespace {

// The file this process runs, even where a build has replaced it.
constexpr const char* kThisProgram = "/proc/self/exe";

// mpirun and srun end what they started at SIGTERM, and hand SIGUSR1 on to it.
constexpr int kHandedOn = SIGUSR1;

struct Beginning {
  const char* program;
  char *const *arguments, *const *variables;
  int input, output;
  pid_t parent;
  const sigset_t* signals;  // blocked from there on, null: as they are
  int stop_signal;
};

// Between fork and exec only what is safe after a fork of a process with threads.
[[noreturn]] void become(const Beginning& b) {
  ::prctl(PR_SET_PDEATHSIG, b.stop_signal);
  if (::getppid() != b.parent) ::_exit(kExitInterrupted);  // it died before the line above
  ::dup2(b.input, STDIN_FILENO);
  ::dup2(b.output, STDOUT_FILENO);
  ::dup2(b.output, STDERR_FILENO);
  if (b.signals != nullptr) {
    ::setpgid(0, 0);
    ::pthread_sigmask(SIG_SETMASK, b.signals, nullptr);
  }
  ::execve(b.program, b.arguments, b.variables);
  ::_exit(kExitFailed);
}

// A path of this program that other processes can start: of the running file, while this process is there, if
// another lies at its place.
std::string path_of_this_program() {
  std::error_code fault;
  const auto path = std::filesystem::read_symlink(kThisProgram, fault);
  if (!fault && std::filesystem::equivalent(path, kThisProgram, fault) && !fault) return path.string();
  return str("/proc/", ::getpid(), "/exe");
}

// This process's, and the GPUs that a child is to see; "": as this process sees them.
std::vector<std::string> variables_with(const std::string& gpus) {
  auto variables = environment_variables();
  if (!gpus.empty()) variables["CUDA_VISIBLE_DEVICES"] = gpus;
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(str(name, "=", value));
  return lines;
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

GpuPool& gpus_of_children() {
  static GpuPool pool(visible_gpus());
  return pool;
}

void set_input(const std::string& text) {
  const int fd = file_with(text);
  if (fd < 0 || ::dup2(fd, STDIN_FILENO) < 0)
    throw WorkError(str("no file in memory can be made (", std::strerror(errno), ")"));
  ::close(fd);
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const std::string& input,
                           const Launch& launch)
    : stop_signal_(launch.words.empty() ? SIGTERM : kHandedOn), gpus_(gpus_of_children().take(launch.gpus)) {
  const auto& launcher = launch.words;
  std::vector<std::string> words = launcher;
  words.push_back(launcher.empty() ? "kablate" : path_of_this_program());
  words.insert(words.end(), arguments.begin(), arguments.end());
  const auto variables = variables_with(gpus_);
  const auto pointers = spawn_pointers(words), variable_pointers = spawn_pointers(variables);
  output_ = ::memfd_create("kablate-trial", MFD_CLOEXEC);
  const int given = file_with(input);
  const sigset_t signals = stop_signals();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);  // over the fork and exec
  const pid_t parent = ::getpid();
  pid_ = output_ < 0 || given < 0 ? -1 : ::fork();
  if (pid_ == 0)
    become({.program = launcher.empty() ? kThisProgram : words.front().c_str(),
            .arguments = pointers.data(),
            .variables = variable_pointers.data(),
            .input = given,
            .output = output_,
            .parent = parent,
            .signals = launcher.empty() ? nullptr : &before,
            .stop_signal = stop_signal_});
  const int reason = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (given >= 0) ::close(given);
  if (pid_ < 0) throw WorkError(str("a trial's process can't be started (", std::strerror(reason), ")"));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      stop_signal_(other.stop_signal_),
      output_(std::exchange(other.output_, -1)),
      gpus_(std::exchange(other.gpus_, "")) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  gpus_of_children().give_back(gpus_);
  if (output_ >= 0) ::close(output_);
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

void ChildProcess::ask_to_stop() const { signal(stop_signal_); }

ExitStatus ChildProcess::collect(int status) {
  pid_ = -1;
  gpus_of_children().give_back(std::exchange(gpus_, ""));
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
