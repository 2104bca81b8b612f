// What a terminal would obey, not show.
#pragma once

#include <string>
#include <string_view>

namespace kablate {

// Of UTF-8, with a blank in the place of each control character: below U+0020, and U+007F to U+009F.
std::string without_controls(std::string_view text);

}  // namespace kablate
