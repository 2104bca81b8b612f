#include "report/table.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/control_characters.h"
#include "base/text.h"

namespace kablate {
namespace {

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

// ASCII's, whatever the locale.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_letter_or_digit(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
char at_or_blank(std::string_view text, std::size_t at) { return at < text.size() ? text[at] : ' '; }

// A tag, an entity or a link; "<0.0001", "a & b" and "[-0.1, +0.2]" are none.
bool begins_markup(std::string_view text, std::size_t at) {
  const char next = at_or_blank(text, at + 1);
  if (text[at] == '<') return is_letter(next) || next == '/' || next == '!' || next == '?';
  if (text[at] == '&') return is_letter(next) || next == '#';
  if (text[at] != '[') return false;
  const auto close = text.find(']', at);
  return close != std::string_view::npos &&
         std::string_view("([:").find(at_or_blank(text, close + 1)) != std::string_view::npos;
}

// Emphasis, code, a cell's end; an underscore within a word is none. At the beginning a heading, quotation or
// list.
bool is_mark(std::string_view text, std::size_t at) {
  const char c = text[at], next = at_or_blank(text, at + 1);
  if (at == 0 && (c == '#' || c == '>' || ((c == '-' || c == '+') && next == ' '))) return true;
  if (c == '_') return at == 0 || !is_letter_or_digit(text[at - 1]) || !is_letter_or_digit(next);
  return std::string_view("`*|~").find(c) != std::string_view::npos;
}

std::string markdown(std::string_view given, bool marks) {
  const auto text = without_controls(given);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool markup = begins_markup(text, i);
    if (markup && text[i] != '[') {
      result += text[i] == '<' ? "&lt;" : "&amp;";
      continue;
    }
    if (markup || text[i] == '\\' || (marks && is_mark(text, i))) result += '\\';
    result += text[i];
  }
  return result;
}

constexpr std::size_t kGap = 2, kLeastText = 12;  // between columns; what a broken column keeps

std::vector<std::size_t> natural_widths(const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& heading : table.headings) widths.push_back(display_width(heading));
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  return widths;
}

std::size_t total(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + kGap * (widths.size() - 1);
}

// Takes from the widest column of text until the table fits or no such column can give any more.
void narrow_text(const TextTable& table, std::size_t width, std::vector<std::size_t>& widths) {
  while (!widths.empty() && total(widths) > width) {
    std::optional<std::size_t> widest;
    for (std::size_t i = 0; i < widths.size(); ++i)
      if (!table.right[i] && widths[i] > kLeastText && (!widest || widths[i] > widths[*widest])) widest = i;
    if (!widest) return;
    --widths[*widest];
  }
}

// The lines of a cell, none wider than `width`: broken at blanks, and within a word that is wider.
std::vector<std::string> lines_of(const std::string& cell, std::size_t width) {
  std::vector<std::string> lines{""};
  for (auto word : split(cell, ' ')) {
    auto* line = &lines.back();
    if (!line->empty() && display_width(*line) + 1 + display_width(word) > width) {
      lines.emplace_back();
      line = &lines.back();
    }
    for (; display_width(word) > width && display_width(word) == word.size(); word.erase(0, width)) {
      *line = word.substr(0, width);
      lines.emplace_back();
      line = &lines.back();
    }
    *line += (line->empty() ? "" : " ") + word;
  }
  return lines;
}

// A row's cells side by side, as many lines as the longest of them has.
std::string lay_out_row(const TextTable& table, const std::vector<std::string>& cells,
                        const std::vector<std::size_t>& widths) {
  std::vector<std::vector<std::string>> broken;
  std::size_t height = 1;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool fits = display_width(cells[i]) <= widths[i];
    broken.push_back(fits ? std::vector{cells[i]} : lines_of(cells[i], widths[i]));
    height = std::max(height, broken[i].size());
  }
  std::string text;
  for (std::size_t line = 0; line < height; ++line) {
    std::string one;
    for (std::size_t i = 0; i < cells.size(); ++i)
      one += (i == 0 ? "" : "  ") +
             padded(line < broken[i].size() ? broken[i][line] : "", widths[i], table.right[i]);
    text += one.substr(0, one.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string lay_out(const TextTable& table, const std::vector<std::size_t>& widths) {
  std::vector<std::string> rule;
  for (const auto width : widths) rule.emplace_back(width, '-');
  std::string text = lay_out_row(table, table.headings, widths) + lay_out_row(table, rule, widths);
  for (const auto& row : table.rows) text += lay_out_row(table, row, widths);
  return text;
}

TextTable part_of(const TextTable& table, const std::vector<std::size_t>& columns) {
  TextTable part;
  part.rows.resize(table.rows.size());
  for (const auto i : columns) {
    part.headings.push_back(table.headings[i]);
    part.right.push_back(table.right[i]);
    for (std::size_t row = 0; row < table.rows.size(); ++row)
      part.rows[row].push_back(i < table.rows[row].size() ? table.rows[row][i] : "");
  }
  return part;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  constexpr unsigned char kContinuation = 0x80, kMask = 0xC0;
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & kMask) != kContinuation;
  }));
}

std::string aligned(const TextTable& table, std::size_t width) {
  auto widths = natural_widths(table);
  if (width > 0) narrow_text(table, width, widths);
  if (width == 0 || total(widths) <= width || widths.size() <= 2) return lay_out(table, widths);
  std::string text;
  for (std::size_t next = 1; next < widths.size();) {
    std::vector<std::size_t> columns{0}, kept{widths[0]};
    do {
      columns.push_back(next), kept.push_back(widths[next]), ++next;
    } while (next < widths.size() && total(kept) + kGap + widths[next] <= width);
    text += (text.empty() ? "" : "\n") + lay_out(part_of(table, columns), kept);
  }
  return text;
}

std::string markdown_text(std::string_view text) { return markdown(text, /*marks=*/true); }

std::string markdown_prose(std::string_view text) { return markdown(text, /*marks=*/false); }

std::string markdown_table(const TextTable& table) {
  std::string text = "|", rule = "|";
  for (std::size_t i = 0; i < table.headings.size(); ++i) {
    text += " " + markdown_text(table.headings[i]) + " |";
    rule += table.right[i] ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const auto& cell : row) text += " " + markdown_text(cell) + " |";
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

std::string finding_line(const std::string& text, std::size_t width, std::size_t indent) {
  const std::string blanks(indent, ' ');
  if (width == 0) return blanks + text + "\n";
  std::string result;
  for (const auto& line : split(trim(wrapped(text, width - indent)), '\n')) result += blanks + line + "\n";
  return result;
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
