// Child processes of this same program.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "measure/gpus.h"

namespace kablate {

struct ExitStatus {
  std::optional<int> code, signal;  // one of the two
  std::string output;               // what it printed
};

// What is shared out among this program's children.
GpuPool& gpus_of_children();

// From here on this process's standard input is a file with this text. Throws WorkError if the system can't.
void set_input(const std::string& text);

// The running program with other arguments. It is asked to stop
// when this process dies, so that no trial outlives its run.
class ChildProcess {
 public:
  // What starts it: the system; or a program, with its options, that does so in its stead, several times
  // perhaps, and gets no signal of the terminal's.
  struct Launch {
    std::vector<std::string> words;
    std::int64_t gpus = 1;  // of this machine's that it sees, where there are more; 0: as this process does
  };
  // `input` is what it reads from standard input. It starts with the stop signals blocked: one that comes
  // before it can catch them waits until it does (base/stop_signal.h). Throws WorkError if the system can't
  // start it.
  explicit ChildProcess(const std::vector<std::string>& arguments, const std::string& input = "",
                        const Launch& launch = {.words = {}, .gpus = 1});
  ~ChildProcess();  // ends it if it still runs
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  void ask_to_stop() const;          // once may be too early for what a launcher starts; again does no harm
  std::optional<ExitStatus> poll();  // empty while it runs
  ExitStatus wait();

 private:
  ExitStatus collect(int status);

  pid_t pid_ = -1;
  int stop_signal_ = SIGTERM;
  int output_ = -1;   // a file in memory that takes both of its streams
  std::string gpus_;  // of gpus_of_children(); "" where there is no choice
};

}  // namespace kablate
