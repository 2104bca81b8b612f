#include "base/spawn.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace kablate {

std::vector<std::string> environment_without(std::initializer_list<std::string_view> prefixes,
                                             std::initializer_list<std::string_view> more) {
  // Of two entries of one name the first counts: the user's own must go.
  constexpr std::string_view kLanguage = "LC_ALL=";
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const auto begins = [entry](std::string_view prefix) {
      return std::string_view(*entry).starts_with(prefix);
    };
    if (!begins(kLanguage) && std::ranges::none_of(prefixes, begins)) variables.emplace_back(*entry);
  }
  variables.insert(variables.end(), more.begin(), more.end());
  variables.push_back(std::string(kLanguage) + "C");
  return variables;
}

std::vector<char*> spawn_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

std::optional<int> run_program(const std::vector<std::string>& line,
                               const std::vector<std::string>& variables,
                               const std::function<void(std::string_view)>& output) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  pid_t child = -1;
  const int fault = ::posix_spawnp(&child, line.front().c_str(), &actions, nullptr,
                                   spawn_pointers(line).data(), spawn_pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::array<char, 65536> buffer;
  for (ssize_t size = 1; fault == 0 && size != 0;) {
    size = ::read(pipe[0], buffer.data(), buffer.size());
    if (size > 0) output({buffer.data(), static_cast<std::size_t>(size)});
    if (size < 0 && errno != EINTR) break;
  }
  ::close(pipe[0]);
  if (fault != 0) return {};
  int status = -1;
  pid_t ended = -1;
  while ((ended = ::waitpid(child, &status, 0)) < 0 && errno == EINTR) continue;
  if (ended != child || !WIFEXITED(status)) return {};
  return WEXITSTATUS(status);
}

}  // namespace kablate
