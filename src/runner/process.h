// Child processes of this same program.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace kablate {

struct ExitStatus {
  std::optional<int> code, signal;  // one of the two
  std::string output;               // what it printed
};

// The running program with other arguments. It gets SIGTERM
// when this process dies, so that no trial outlives its run.
class ChildProcess {
 public:
  // `input` is what it reads from standard input. It starts with the stop signals blocked: one that comes
  // before it can catch them waits until it does (train/stop_signal.h). Throws WorkError if the system can't
  // start it.
  explicit ChildProcess(const std::vector<std::string>& arguments, const std::string& input = "");
  ~ChildProcess();  // ends it if it still runs
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  std::optional<ExitStatus> poll();  // empty while it runs
  ExitStatus wait();

 private:
  ExitStatus collect(int status);

  pid_t pid_ = -1;
  int output_ = -1;  // a file in memory that takes both of its streams
};

}  // namespace kablate
