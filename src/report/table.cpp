#include "report/table.h"

#include <algorithm>

#include "base/text.h"

namespace kablate {
namespace {

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string markdown_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  constexpr unsigned char kContinuation = 0x80, kMask = 0xC0;
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & kMask) != kContinuation;
  }));
}

std::string aligned(const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& heading : table.headings) widths.push_back(display_width(heading));
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i)
      text += (i == 0 ? "" : "  ") + padded(cells[i], widths[i], table.right[i]);
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::vector<std::string> rule;
  for (const auto width : widths) rule.emplace_back(width, '-');
  std::string text = line(table.headings) + line(rule);
  for (const auto& row : table.rows) text += line(row);
  return text;
}

std::string markdown_table(const TextTable& table) {
  std::string text = "|", rule = "|";
  for (std::size_t i = 0; i < table.headings.size(); ++i) {
    text += " " + markdown_cell(table.headings[i]) + " |";
    rule += table.right[i] ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const auto& cell : row) text += " " + markdown_cell(cell) + " |";
    text += "\n";
  }
  return text;
}

std::string wrapped(const std::string& text, std::size_t width) {
  std::string result, line;
  for (const auto& word : split(text, ' ')) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      result += line + "\n";
      line = " ";
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string signed_fixed(double value, int digits) { return (value < 0 ? "" : "+") + fixed(value, digits); }

std::string interval_text(const Interval& interval) {
  return "[" + signed_fixed(interval.low, 4) + ", " + signed_fixed(interval.high, 4) + "]";
}

std::string p_text(double p) {
  constexpr double kLeast = 1e-4;
  return p < kLeast ? "<0.0001" : fixed(p, 4);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_line(const std::vector<std::string>& texts) {
  std::vector<std::string> fields;
  for (const auto& text : texts) fields.push_back(csv_field(text));
  return join(fields, ",") + "\n";
}

}  // namespace kablate
