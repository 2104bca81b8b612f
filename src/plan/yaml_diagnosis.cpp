#include "plan/yaml_diagnosis.h"

#include <string_view>
#include <vector>

#include "base/text.h"

namespace kablate {
namespace {

std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) return text.substr(0, i);
  return text;
}

// Where the colon after a key stands; npos if there is none.
std::size_t key_colon(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) return i;
  return std::string_view::npos;
}

class Diagnosis {
 public:
  std::optional<YamlFault> of(const std::string& text) {
    for (const auto& line : split(text, '\n')) {
      ++line_;
      std::string fault = foreign_blank(line);
      if (fault.empty() && open_.empty() && quote_ == 0) fault = block_fault(line);
      if (fault.empty()) fault = bracket_fault(line);
      if (!fault.empty()) return YamlFault{line_, fault};
    }
    if (const auto quote = open_quote()) return quote;
    if (!open_.empty())
      return YamlFault{open_.back().line, str("the ", open_.back().bracket, " is not closed")};
    return {};
  }

  std::optional<YamlFault> quote_of(const std::string& text) {
    quotes_alone_ = true;
    for (const auto& line : split(text, '\n')) ++line_, bracket_fault(line);
    return open_quote();
  }

 private:
  struct Bracket {
    char bracket;
    std::size_t line;
    std::size_t key_line = 0;  // of the key of the entry that the present place belongs to; 0 if it has none
  };

  std::optional<YamlFault> open_quote() const {
    if (quote_ == 0) return {};
    return YamlFault{quote_line_, str("the quote ", quote_, " is not closed")};
  }

  // A blank that word processors and web pages write, and that is a letter to YAML.
  static std::string foreign_blank(std::string_view line) {
    const auto at = without_comment(line).find("\xC2\xA0");
    if (at == std::string_view::npos) return "";
    return str("has a no-break blank (U+00A0) behind \"", trim(line.substr(0, at)), "\"; type a plain blank");
  }

  // Of a line outside brackets and quotes: its indentation, its key and what begins its value.
  std::string block_fault(std::string_view line) {
    const auto indent = line.find_first_not_of(" \t\r");
    if (indent == std::string_view::npos || line[indent] == '#') return "";
    if (line.substr(0, indent).find('\t') != std::string_view::npos)
      return "is indented with a tab; YAML takes blanks alone";
    if (auto fault = indent_fault(indent); !fault.empty()) return fault;
    auto entry = trim(without_comment(line));
    if (entry == "---" || entry == "...") return "";
    const bool item = entry == "-" || entry.starts_with("- ");
    if (item) entry = trim(entry.substr(1));
    return entry_fault(entry, item);
  }

  std::string indent_fault(std::size_t indent) {
    if (columns_.empty()) columns_.push_back(indent);
    if (indent > columns_.back() && !takes_children_)
      return str("is indented by ", indent, " blanks, deeper than the line above it (", columns_.back(),
                 "), which opens nothing: it has its value, or lacks the colon at its end");
    while (indent < columns_.back()) {
      columns_.pop_back();
      if (columns_.empty() || indent > columns_.back())
        return str("is indented by ", indent,
                   " blanks, as no line above it; what belongs together begins in one column");
    }
    if (indent > columns_.back()) columns_.push_back(indent);
    return "";
  }

  std::string entry_fault(std::string_view entry, bool item) {
    const auto colon = key_colon(entry);
    const auto value = colon == std::string_view::npos ? entry : trim(entry.substr(colon + 1));
    takes_children_ = item || value.empty();
    if (!entry.empty() && std::string_view("{[\"'").find(entry[0]) != std::string_view::npos) return "";
    if (colon == std::string_view::npos) {
      if (item) return "";
      if (entry.find(':') != std::string_view::npos)
        return str("\"", entry, "\": a blank is missing after the colon");
      return str("\"", entry, "\": the colon after the key is missing");
    }
    if (const auto bracket = entry.substr(0, colon).find_first_of("{["); bracket != std::string_view::npos) {
      const auto key = trim(entry.substr(0, bracket));  // `0:{set: {}}`, `0 {set: {}}`
      return str(
          "\"", entry.substr(0, bracket + 1), "\": ",
          key.ends_with(':') ? "a blank is missing after the colon" : "the colon after the key is missing");
    }
    if (value.empty() || std::string_view("{[\"'").find(value[0]) != std::string_view::npos) return "";
    if (std::string_view("@`%*&!|>").find(value[0]) != std::string_view::npos)
      return str("\"", value, "\": begins with ", value[0],
                 ", which has a meaning in YAML; put it in quotes");
    if (key_colon(value) != std::string_view::npos)
      return str("\"", value, "\": a second colon; put the value in quotes, or break the line");
    return "";
  }

  // Follows brackets and quotes through a line.
  std::string bracket_fault(std::string_view line) {
    bool token_starts = true;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quote_ != 0) {
        if (c == '\\' && quote_ == '"') ++i;
        if (c == quote_) quote_ = 0;
        continue;
      }
      if (c == '#' && (i == 0 || line[i - 1] == ' ')) break;
      if ((c == '"' || c == '\'') && token_starts) quote_ = c, quote_line_ = line_;
      if ((c == '{' || c == '[') && token_starts) open_.push_back({c, line_, 0});
      if (!open_.empty() && !quotes_alone_)
        if (auto fault = entry_in_brackets_fault(line, i, token_starts); !fault.empty()) return fault;
      if (c == '}' || c == ']') {
        const char opening = c == '}' ? '{' : '[';
        if (open_.empty()) return str("has a ", c, " without its ", opening);
        if (open_.back().bracket != opening)
          return str("has a ", c, " where the ", open_.back().bracket, " of line ", open_.back().line,
                     " is still open");
        open_.pop_back();
      }
      if (c != ' ' && c != '\t') token_starts = value_follows(line, i);
    }
    return "";
  }

  // Of the character at `i` within brackets.
  std::string entry_in_brackets_fault(std::string_view line, std::size_t i, bool token_starts) {
    auto& entry = open_.back();
    if (line[i] == '*' && token_starts)
      return str("\"", line.substr(i, line.find_first_of(",}] ", i) - i),
                 "\": begins with *, which has a meaning in YAML; put it in quotes");
    if (line[i] == ',') entry.key_line = 0;
    if (line[i] != ':' || entry.bracket != '{' || (i + 1 < line.size() && line[i + 1] != ' ')) return "";
    if (entry.key_line == line_)
      return str("\"", trim(line.substr(0, i + 1)),
                 "\": a second colon; a comma is missing before its key, or a value wants quotes");
    entry.key_line = line_;
    return "";
  }

  // Whether a value may begin after the character at `i`, which is no blank.
  bool value_follows(std::string_view line, std::size_t i) const {
    const bool end = i + 1 == line.size() || line[i + 1] == ' ';
    if (line[i] == ':') return end || !open_.empty();
    if (line[i] == '-') return end && line.find_first_not_of(' ') == i;
    return !open_.empty() && (line[i] == ',' || line[i] == '{' || line[i] == '[');
  }

  std::size_t line_ = 0, quote_line_ = 0;
  std::vector<std::size_t> columns_;  // of the maps and lists that the present line stands in
  bool takes_children_ = false;       // the line above
  std::vector<Bracket> open_;
  bool quotes_alone_ = false;  // no other fault is asked for
  char quote_ = 0;             // the one that is open; 0 if none
};

}  // namespace

std::optional<YamlFault> diagnose_yaml(const std::string& text) { return Diagnosis().of(text); }
std::optional<YamlFault> unclosed_quote(const std::string& text) { return Diagnosis().quote_of(text); }

}  // namespace kablate
