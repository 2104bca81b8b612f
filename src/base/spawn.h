// What posix_spawn takes of the programs that are called without a shell: git, tar.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// This process's variables without those that begin with one of `prefixes` ("GIT_", "TAPE="), by which a
// user's settings would change what the other program reads or writes, and with `more` ("NAME=value");
// messages are in English.
std::vector<std::string> environment_without(std::initializer_list<std::string_view> prefixes,
                                             std::initializer_list<std::string_view> more = {});

// Of a call's arguments or variables, with the null at the end. REQUIRES: `texts` outlives it.
std::vector<char*> spawn_pointers(const std::vector<std::string>& texts);

}  // namespace kablate
