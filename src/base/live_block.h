// Lines at the bottom of a terminal that are written over again and again.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};

// The columns that a text takes without its colours (ESC [ … m); a character of UTF-8 takes one.
std::size_t visible_width(std::string_view text);

// The text's beginning that takes at most `columns`, colours switched off at its end if it has some.
std::string cut_to(std::string_view text, std::size_t columns);

// Puts together what a terminal must be sent; it writes nothing itself.
class LiveBlock {
 public:
  // `reflows`: whether the terminal breaks its lines anew when it becomes narrower; else it cuts them.
  explicit LiveBlock(bool reflows) : reflows_(reflows) {}

  // The lines in place of those before, each cut to one row of the terminal, the last of them left out where
  // it has too few rows. The cursor is left at the start of the row below.
  std::string replace(const std::vector<std::string>& lines, TerminalSize size);

  // Takes them away: the cursor is left where they began. "" if there are none.
  std::string remove(TerminalSize size);

 private:
  bool reflows_;
  std::vector<std::size_t> widths_;  // of the lines that stand there
};

}  // namespace kablate
