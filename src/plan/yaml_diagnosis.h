// What is wrong with a text that a YAML parser refused, in a person's words.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace kablate {

struct YamlFault {
  std::size_t line = 1;
  std::string what;  // "is indented with a tab; YAML takes blanks alone"
};

// The first line that breaks one of the rules that plans are written by: indentation by blanks, alike for
// what belongs together; a colon and a blank after each key; brackets and quotes that are closed. Empty where
// none does. Knows less than YAML: ask it only about a text that a parser refused.
std::optional<YamlFault> diagnose_yaml(const std::string& text);

// A quote that no line closes, which yaml-cpp takes to the end of the text without a word.
std::optional<YamlFault> unclosed_quote(const std::string& text);

}  // namespace kablate
