#include "base/spawn.h"

#include <algorithm>

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

}  // namespace kablate
