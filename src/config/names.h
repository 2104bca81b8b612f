// What a name that is no symbol may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kablate {

struct Meaning {
  std::string name;      // of the symbol here, or in words where it is several; "" if nothing is near
  bool foreign = false;  // another project's name for it (config/foreign_names.inc), not a slip
};

// Of `known` the nearest by spelling, unless the name is known from elsewhere.
Meaning meaning_of(std::string_view unknown, const std::vector<std::string>& known);

std::string upper(std::string_view text);  // ASCII letters in capitals

}  // namespace kablate
