// Text as a shell reads it.
#pragma once

#include <string>

namespace kablate {

// One word of bash or zsh: a name that needs no quotes as it is, anything else in single quotes.
std::string shell_quoted(const std::string& text);

}  // namespace kablate
