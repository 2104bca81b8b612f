#include "base/live_block.h"

#include <algorithm>

#include "base/text.h"

namespace kablate {
namespace {

constexpr char kEscape = '\033';
constexpr std::string_view kPlain = "\033[0m", kEraseBelow = "\033[J";

// How many bytes from `at` on are one colour, or one character.
std::size_t colour_at(std::string_view text, std::size_t at) {
  if (text[at] != kEscape) return 0;
  const auto end = text.find('m', at);
  return end == std::string_view::npos ? text.size() - at : end + 1 - at;
}

std::size_t character_at(std::string_view text, std::size_t at) {
  std::size_t bytes = 1;
  while (at + bytes < text.size() && (static_cast<unsigned char>(text[at + bytes]) & 0xC0) == 0x80) ++bytes;
  return bytes;
}

}  // namespace

std::size_t visible_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto colour = colour_at(text, at);
    at += colour > 0 ? colour : character_at(text, at);
    width += colour == 0;
  }
  return width;
}

std::string cut_to(std::string_view text, std::size_t columns) {
  std::size_t width = 0, at = 0;
  bool coloured = false;
  while (at < text.size()) {
    if (const auto colour = colour_at(text, at); colour > 0) {
      at += colour, coloured = true;
    } else {
      if (width++ == columns) return str(text.substr(0, at), coloured ? kPlain : "");
      at += character_at(text, at);
    }
  }
  return std::string(text);
}

std::string LiveBlock::remove(TerminalSize size) {
  if (widths_.empty()) return "";
  std::size_t rows = 0;
  const auto columns = std::max<std::size_t>(1, size.columns);
  for (const auto width : widths_)
    rows += reflows_ ? std::max<std::size_t>(1, (width + columns - 1) / columns) : 1;
  widths_.clear();
  return str("\r", kEscape, "[", rows, "A", kEraseBelow);
}

std::string LiveBlock::replace(const std::vector<std::string>& lines, TerminalSize size) {
  std::string text = remove(size);
  // Some terminals begin a new row as soon as the last column is written.
  const auto columns = std::max<std::size_t>(2, size.columns) - 1;
  const auto most = std::max<std::size_t>(2, size.rows) - 1;  // the cursor has a row of its own
  for (std::size_t i = 0; i < lines.size() && i < most; ++i) {
    const auto line = cut_to(lines[i], columns);
    widths_.push_back(visible_width(line));
    text += line + "\n";
  }
  return text;
}

}  // namespace kablate
