// The lines of a .config or defconfig file, one at a time: what they say, before anything is known of the
// menu but its names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// A line that sets a symbol.
struct DotConfigLine {
  std::string name;                 // without CONFIG_
  std::optional<std::string> form;  // the text after '='; none in "# CONFIG_NAME is not set"
  std::string path;
  std::int64_t number = 0;  // of the line, from 1

  std::string where() const;  // "configs/mine:7"
};

// The lines without their ends, without blanks and carriage returns at them. Throws UserError with the line
// for what is not UTF-8 and for control characters.
std::vector<std::string> dotconfig_lines(std::string_view content, const std::string& path);

// What the line sets; none for an empty one and for a comment. Throws UserError for a malformed line and for
// a comment that was meant to be "is not set"; says so where a line is commented out. `known`: whether the
// menu has a name.
std::optional<DotConfigLine> parse_dotconfig_line(const std::string& text, const std::string& path,
                                                  std::int64_t number,
                                                  const std::function<bool(std::string_view)>& known);

// Its value as text, which must have the form of a bool (y or n), a whole number, a string in quotes.
std::string bool_value(const DotConfigLine& line);
std::string int_value(const DotConfigLine& line);
std::string string_value(const DotConfigLine& line);
// Of a whole number, or a list of them in quotes.
std::string whole_numbers_value(const DotConfigLine& line);

}  // namespace kablate
