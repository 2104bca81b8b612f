// Other programs, called without a shell: git, tar, those of Slurm.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// This process's variables without those that begin with one of `prefixes` ("GIT_", "TAPE="), by which a
// user's settings would change what the other program reads or writes, and with `more` ("NAME=value");
// messages are in English.
std::vector<std::string> environment_without(std::initializer_list<std::string_view> prefixes,
                                             std::initializer_list<std::string_view> more = {});

// Runs line[0], looked up in PATH, with these variables and nothing to read; what it writes to both of its
// streams goes to `output`, piece by piece. Its exit code; empty where it can't be run or was killed.
std::optional<int> run_program(const std::vector<std::string>& line,
                               const std::vector<std::string>& variables,
                               const std::function<void(std::string_view)>& output);

// Of a call's arguments or variables, with the null at the end. REQUIRES: `texts` outlives it.
std::vector<char*> spawn_pointers(const std::vector<std::string>& texts);

}  // namespace kablate
