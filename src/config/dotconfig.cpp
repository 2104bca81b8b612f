// .config and defconfig files, read strictly (spec, section 6): what Kconfig would drop without a word is an
// error here.
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/binding.h"
#include "config/settings.h"

namespace kablate {
namespace {

constexpr std::string_view kPrefix = "CONFIG_";
constexpr std::string_view kIsNotSet = " is not set";

struct Assignment {
  std::string name, value;  // without CONFIG_; `n` for "is not set"
  bool quoted = false;
};

// The text between the quotes, with \" and \\ undone. Throws UserError naming `where` and the line.
std::string unquote(std::string_view text, const std::string& where) {
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (i + 1 != text.size())
        throw UserError(str(where, ": ", text, ": there is text after the closing quote; remove it"));
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  throw UserError(str(where, ": ", text, ": the closing quote is missing"));
}

// One line; an empty name where it says nothing.
Assignment parse_line(std::string_view line, const std::string& where) {
  if (line.starts_with('#')) {
    const auto body = trim(line.substr(1));
    if (!body.starts_with(kPrefix) || body.find(" is ") == std::string_view::npos) return {};
    const bool exact = line == str("# ", body) && body.ends_with(kIsNotSet);
    const auto name = body.substr(kPrefix.size(), body.size() - kPrefix.size() - kIsNotSet.size() * exact);
    if (!exact || name.empty() || name.find(' ') != std::string_view::npos)
      throw UserError(
          str(where, ": \"", line, "\": allowed: \"# CONFIG_NAME is not set\", with single blanks"));
    return {std::string(name), "n"};
  }
  if (trim(line).empty()) return {};
  const auto equals = line.find('=');
  if (!line.starts_with(kPrefix) || equals == std::string_view::npos)
    throw UserError(str(where, ": \"", line, "\": allowed: CONFIG_NAME=value, a comment or an empty line"));
  const auto name = line.substr(kPrefix.size(), equals - kPrefix.size());
  if (name.empty())
    throw UserError(str(where, ": \"", line, "\": the symbol's name is missing; allowed: CONFIG_NAME=value"));
  const auto value = line.substr(equals + 1);
  if (trim(name) != name || trim(value) != value)
    throw UserError(str(where, ": \"", line, "\": there must be no blanks around '=' or at the line's end"));
  if (value.starts_with('"')) return {std::string(name), unquote(value, where), true};
  return {std::string(name), std::string(value)};
}

// The choice that the menu symbol `member` belongs to, and the value that it selects.
std::pair<const Symbol*, std::string> find_member(std::string_view member) {
  for (const auto& symbol : symbols())
    for (const auto& [value, name] : symbol.members)
      if (name == member) return {&symbol, value};
  return {nullptr, ""};
}

// A choice may stand in a file as its member, as its string, or as both; they must agree.
class Choices {
 public:
  explicit Choices(Settings& settings) : settings_(settings) {}
  void select(const std::string& choice, const std::string& value, const std::string& where) {
    settings_.set(choice, value, where);
    const auto [entry, fresh] = selected_.try_emplace(choice, value);
    if (!fresh && entry->second != value)
      throw UserError(
          str(where, ": ", choice, " = \"", value, "\" contradicts \"", entry->second, "\" at ",
              settings_.origin(choice) == where ? "another line of this file" : settings_.origin(choice),
              "; the choice ", choice, " has one value"));
  }

 private:
  Settings& settings_;
  std::map<std::string, std::string> selected_;
};

void apply(const Assignment& line, const std::string& where, Settings& settings, Choices& choices) {
  if (const auto [choice, value] = find_member(line.name); choice != nullptr) {
    if (line.quoted || (line.value != "y" && line.value != "n"))
      throw UserError(str(where, ": CONFIG_", line.name, "=", line.value, ": allowed: y or n"));
    if (line.value == "y") choices.select(choice->name, value, where);
    return;
  }
  const auto* symbol = find_symbol(line.name);
  if (symbol != nullptr) {
    const bool text = symbol->type == SymbolType::kString || symbol->type == SymbolType::kChoice;
    if (text != line.quoted)
      throw UserError(
          str(where, ": CONFIG_", line.name,
              text ? ": its value must stand in quotes" : ": its value must not stand in quotes"));
    if (symbol->type == SymbolType::kChoice) return choices.select(line.name, line.value, where);
  }
  settings.set(line.name, line.value, where);
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::string config_line(const Symbol& symbol, const std::string& text) {
  if (symbol.type == SymbolType::kBool && text == "n") return str("# CONFIG_", symbol.name, " is not set\n");
  const bool quotes = symbol.type == SymbolType::kString || symbol.type == SymbolType::kChoice;
  return str("CONFIG_", symbol.name, "=", quotes ? quoted(text) : text, "\n");
}

}  // namespace

Settings Settings::from_file(const std::filesystem::path& path) {
  Settings settings = defaults();
  Choices choices(settings);
  std::set<std::string> seen;
  const std::string content = read_text(path);
  int number = 0;
  for (const auto& line : split(content, '\n')) {
    const std::string where = str(path.string(), ":", ++number);
    if (line.find('\0') != std::string::npos)
      throw UserError(str(where, ": not a text file; expected a .config or a defconfig"));
    const auto assignment = parse_line(line, where);
    if (assignment.name.empty()) continue;
    if (!seen.insert(assignment.name).second)
      throw UserError(str(where, ": CONFIG_", assignment.name, " stands twice"));
    apply(assignment, where, settings, choices);
  }
  return settings;
}

std::string full_dotconfig(const Config& config) {
  std::map<std::string, std::string> text;
  for (const auto& field : field_values(config)) text[field.symbol] = field.text;
  std::string file;
  for (const auto& symbol : symbols()) file += config_line(symbol, text.at(symbol.name));
  return file;
}

std::string minimal_defconfig(const Config& config) {
  // Defaults go through the same spelling: "6e-4" in the menu and 0.0006 here are one value.
  std::map<std::string, std::string> text, standard;
  for (const auto& field : field_values(config)) text[field.symbol] = field.text;
  for (const auto& field : field_values(Settings::defaults().bind())) standard[field.symbol] = field.text;
  std::string file;
  for (const auto& symbol : symbols()) {
    const auto& value = text.at(symbol.name);
    if (value == standard.at(symbol.name)) continue;
    if (symbol.type != SymbolType::kChoice) file += config_line(symbol, value);
    for (const auto& [name, member] : symbol.members)
      if (name == value) file += str("CONFIG_", member, "=y\n");
  }
  return file;
}

}  // namespace kablate
