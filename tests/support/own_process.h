// What changes a process for good, tried in one of its own.
#pragma once

#include <functional>

#include <sys/wait.h>
#include <unistd.h>

namespace kablate::testing_support {

// 0 if body() says so, 1 if not, or 100 + the signal that ended it.
inline int in_own_process(const std::function<bool()>& body) {
  const auto pid = ::fork();
  if (pid == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

}  // namespace kablate::testing_support
