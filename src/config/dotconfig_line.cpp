#include "config/dotconfig_line.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/names.h"

namespace kablate {
namespace {

constexpr std::string_view kPrefix = "CONFIG_", kIsNotSet = " is not set";
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
constexpr std::string_view kDigits = "0123456789";

std::string_view stripped(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The letters, digits and underscores that `text` begins with.
std::string_view word(std::string_view text) {
  return text.substr(0, std::min(text.find_first_not_of(kLetters), text.size()));
}

// Where bytes stop being UTF-8 (RFC 3629); npos if nowhere.
std::size_t first_fault(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const std::size_t more = lead < 0x80 ? 0 : lead < 0xC2 ? 4 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (more == 4 || lead > 0xF4 || i + more >= bytes.size()) return i;
    for (std::size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(bytes[i + k]);
      const bool second = k == 1;
      const unsigned least = second && lead == 0xE0 ? 0xA0 : second && lead == 0xF0 ? 0x90 : 0x80;
      const unsigned most = second && lead == 0xED ? 0x9F : second && lead == 0xF4 ? 0x8F : 0xBF;
      if (next < least || next > most) return i;
    }
    i += more + 1;
  }
  return std::string_view::npos;
}

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool has_control_character(std::string_view text) {
  return text.find(kByteOrderMark) != std::string_view::npos ||
         std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7F; });
}

// Whether "not set" or "unset" stands in `text` as words of its own, in any case.
bool says_unset(std::string_view text) {
  const std::string capitals = upper(text);
  const std::string_view all = capitals;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && kLetters.find(all[i - 1]) != std::string_view::npos) continue;
    auto rest = all.substr(i);
    if (word(rest) == "UNSET" || word(rest) == "NOTSET") return true;
    if (word(rest) != "NOT") continue;
    rest = rest.substr(3);
    if (word(rest.substr(std::min(rest.find_first_not_of(kBlanks), rest.size()))) == "SET") return true;
  }
  return false;
}

// A comment that was meant to be read is an error; a line that was commented out gets a word.
void check_comment(const std::string& text, const std::string& where,
                   const std::function<bool(std::string_view)>& known) {
  std::string_view rest = text;
  for (const auto skipped : {kBlanks, std::string_view("#"), kBlanks})
    rest = rest.substr(std::min(rest.find_first_not_of(skipped), rest.size()));
  auto name = word(rest);
  if (name.empty()) return;
  rest = rest.substr(name.size());
  const bool prefixed = name.size() > kPrefix.size() && upper(name.substr(0, kPrefix.size())) == kPrefix;
  const bool exactly = prefixed && name.starts_with(kPrefix);
  if (prefixed) name = name.substr(kPrefix.size());
  if (says_unset(rest) && (prefixed || known(name)))
    throw UserError(str(where, ": '", text,
                        "' looks like an 'is not set' line but isn't one; write '# CONFIG_", upper(name),
                        " is not set'"));
  if (exactly && known(name) && stripped(rest).starts_with('='))
    log_warning(str(where, ": '", text, "' is a comment: it sets nothing"));
}

std::string about_comment(std::string_view rest) {
  return rest.find('#') == std::string_view::npos ? "" : "; a comment stands on a line of its own";
}

std::string assignment(const DotConfigLine& line) { return str("CONFIG_", line.name, "=", *line.form); }

}  // namespace

std::string DotConfigLine::where() const { return str(path, ":", number); }

std::vector<std::string> dotconfig_lines(std::string_view content, const std::string& path) {
  std::vector<std::string> lines;
  for (const auto& line : split(content, '\n')) {
    const auto where = str(path, ":", lines.size() + 1);
    if (const auto fault = first_fault(line); fault != std::string::npos)
      throw UserError(str(where, ": not UTF-8 text (byte ", fault + 1, " of the line)"));
    const auto last = line.find_last_not_of(" \t\r");
    lines.push_back(line.substr(0, last == std::string::npos ? 0 : last + 1));
    if (lines.size() == 1 && lines[0].starts_with(kByteOrderMark))
      throw UserError(str(where, ": begins with a byte-order mark; save it as UTF-8 without one"));
    if (has_control_character(lines.back()))
      throw UserError(str(where, ": has a control character; a configuration is plain text"));
  }
  return lines;
}

std::optional<DotConfigLine> parse_dotconfig_line(const std::string& text, const std::string& path,
                                                  std::int64_t number,
                                                  const std::function<bool(std::string_view)>& known) {
  const auto where = str(path, ":", number);
  const std::string_view line = text;
  if (line.starts_with("# CONFIG_")) {
    const auto name = word(line.substr(9));
    if (!name.empty() && line.substr(9 + name.size()) == kIsNotSet)
      return DotConfigLine{std::string(name), {}, path, number};
  }
  if (line.starts_with(kPrefix)) {
    const auto name = word(line.substr(kPrefix.size()));
    const auto rest = line.substr(kPrefix.size() + name.size());
    if (!name.empty() && rest.starts_with('=')) {
      const auto form = rest.substr(1);
      if (!form.empty() && kBlanks.find(form[0]) != std::string_view::npos)
        throw UserError(
            str(where, ": blanks after '=' in '", text, "'; write CONFIG_", name, "=", stripped(form)));
      return DotConfigLine{std::string(name), std::string(form), path, number};
    }
  }
  if (stripped(line).starts_with('#')) {
    check_comment(text, where, known);
    return {};
  }
  if (line.empty()) return {};
  const auto equals = line.find('=');
  auto bare = stripped(line.substr(0, equals));
  if (bare.starts_with(kPrefix)) bare = bare.substr(kPrefix.size());
  if (equals != std::string_view::npos && known(bare))
    throw UserError(str(where, ": '", text, "' is malformed; write CONFIG_", bare, "=",
                        stripped(line.substr(equals + 1)), ", without blanks around '='"));
  throw UserError(
      str(where, ": '", text,
          "' is malformed; a line is CONFIG_NAME=VALUE, '# CONFIG_NAME is not set' or a comment"));
}

std::string bool_value(const DotConfigLine& line) {
  if (!line.form) return "n";
  if (*line.form != "y" && *line.form != "n")
    throw UserError(str(line.where(), ": ", assignment(line), ": must be y or n", about_comment(*line.form)));
  return *line.form;
}

std::string int_value(const DotConfigLine& line) {
  if (!line.form)
    throw UserError(str(line.where(), ": ", line.name, " is a whole number, it can't be 'not set'"));
  const std::string_view form = *line.form;
  const auto digits = form.substr(form.starts_with('-') ? 1 : 0);
  const bool all_digits = !digits.empty() && digits.find_first_not_of(kDigits) == std::string_view::npos;
  if (all_digits && (form == "0" || digits[0] != '0')) return *line.form;
  throw UserError(str(line.where(), ": ", assignment(line),
                      all_digits ? " has leading zeros; write it without" : " is not a whole number",
                      about_comment(form)));
}

std::string string_value(const DotConfigLine& line) {
  if (!line.form)
    throw UserError(str(line.where(), ": ", line.name, " is a string, it can't be 'not set'; write CONFIG_",
                        line.name, "=\"\""));
  const std::string_view form = *line.form;
  const auto what = str(line.where(), ": ", assignment(line));
  if (!form.starts_with('"')) throw UserError(what + ": a string stands in double quotes");
  std::string value;
  for (std::size_t i = 1; i < form.size(); ++i) {
    if (form[i] == '"') {
      if (i + 1 == form.size()) return value;
      const auto rest = form.substr(i + 1);
      throw UserError(str(what, ": text after the closing quote: ", rest, about_comment(rest)));
    }
    if (form[i] == '\\') {
      ++i;
      if (i >= form.size() || (form[i] != '"' && form[i] != '\\'))
        throw UserError(what + ": after a backslash only \" or \\ may stand; write \\\\ for one backslash");
    }
    value += form[i];
  }
  throw UserError(what + ": the string has no closing quote");
}

std::string whole_numbers_value(const DotConfigLine& line) {
  if (line.form && line.form->starts_with('"')) return string_value(line);
  if (line.form && line.form->find(',') != std::string::npos)
    throw UserError(str(line.where(), ": ", assignment(line), ": a list stands in double quotes"));
  return int_value(line);
}

}  // namespace kablate
