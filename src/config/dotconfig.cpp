// .config and defconfig files, read strictly (spec, section 6): what Kconfig would drop without a word is an
// error here. scripts/kconfig_lines.py reads the same files with the same messages, and a test compares the
// two line by line: a rule that changes here changes there.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/dotconfig_line.h"
#include "config/names.h"
#include "config/settings.h"

namespace kablate {
namespace {

struct Member {
  const Symbol* choice;
  std::string value;  // of the choice, that the member stands for
};

// Every name that a file may set: symbols, and the members of choices.
struct Names {
  std::vector<std::string> sorted;
  std::map<std::string, Member, std::less<>> members;

  Names() {
    for (const auto& symbol : symbols()) {
      sorted.push_back(symbol.name);
      for (const auto& [value, member] : symbol.members) {
        sorted.push_back(member);
        members[member] = {&symbol, value};
      }
    }
    std::sort(sorted.begin(), sorted.end());
  }
  bool contains(std::string_view name) const {
    return std::binary_search(sorted.begin(), sorted.end(), name, std::less<>());
  }
};

struct Value {
  std::string text;
  DotConfigLine line;
};
using Values = std::vector<std::pair<std::string, Value>>;  // by name, in the order of the file

Value* find(Values& values, std::string_view name) {
  for (auto& [known, value] : values)
    if (known == name) return &value;
  return nullptr;
}

std::string unknown_names(const std::vector<DotConfigLine>& lines, const Names& names) {
  const auto& first = lines.front();
  if (lines.size() == 1) {
    const auto [ours, foreign] = meaning_of(first.name, names.sorted);
    const auto advice = foreign        ? "here it is " + ours
                        : ours.empty() ? "'make menuconfig' shows all of them"
                                       : "did you mean " + ours + "?";
    return str(first.where(), ": CONFIG_", first.name, " is no symbol of this program; ", advice);
  }
  std::vector<std::string> each;
  for (const auto& line : lines) {
    const auto ours = meaning_of(line.name, names.sorted).name;
    each.push_back(str(line.name, " (line ", line.number, ours.empty() ? "" : ", here " + ours, ")"));
  }
  return str(first.where(), ": ", lines.size(), " names are no symbols of this program: ", join(each, ", "),
             "; leave these lines out or rename them; 'make menuconfig' shows all symbols");
}

std::string assigned_value(const DotConfigLine& line, const Names& names) {
  if (names.members.contains(line.name)) return bool_value(line);
  switch (find_symbol(line.name)->type) {
    case SymbolType::kBool:
      return bool_value(line);
    case SymbolType::kInt:
      return int_value(line);
    default:
      return is_list_of_whole_numbers(line.name) ? whole_numbers_value(line) : string_value(line);
  }
}

// All assignments of the file, each well-formed for its type. The first mistake is the error; if it is an
// unknown name, all unknown names are.
Values scan(const std::vector<std::string>& lines, const std::string& path, const Names& names) {
  const auto known = [&](std::string_view name) { return names.contains(name); };
  Values values;
  std::vector<DotConfigLine> unknown;
  std::optional<UserError> fault;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    try {
      auto line = parse_dotconfig_line(lines[i], path, static_cast<std::int64_t>(i) + 1, known);
      if (!line) continue;
      if (!known(line->name)) {
        unknown.push_back(std::move(*line));
        continue;
      }
      if (fault || !unknown.empty()) continue;
      if (const auto* first = find(values, line->name))
        throw UserError(
            str(line->where(), ": CONFIG_", line->name, " is set twice; first at ", first->line.where()));
      values.emplace_back(line->name, Value{assigned_value(*line, names), *line});
    } catch (const UserError& error) {
      if (unknown.empty() && !fault) fault = error;
    }
  }
  if (fault) throw *fault;
  if (!unknown.empty()) throw UserError(unknown_names(unknown, names));
  return values;
}

std::string list(const Symbol& choice, bool of_members) {
  std::vector<std::string> parts;
  for (const auto& [value, member] : choice.members) parts.push_back(of_members ? member : value);
  return join(parts, ", ");
}

// A choice may stand in a file as its member, as its string, or as both; they must agree. Gives the value
// that the file selects, if it selects one.
std::optional<std::string> selected(const Symbol& choice, Values& values) {
  std::vector<std::pair<const std::string*, const Value*>> chosen;  // name and assignment
  std::optional<std::string> by_member;
  for (const auto& [name, value] : values)
    for (const auto& [selects, member] : choice.members)
      if (member == name && value.text == "y") {
        chosen.emplace_back(&name, &value);
        if (!by_member) by_member = selects;
      }
  if (chosen.size() > 1)
    throw UserError(str(chosen[1].second->line.where(), ": ", *chosen[1].first,
                        " is the second member of the choice ", choice.name, " that is y; the first is ",
                        *chosen[0].first, " at ", chosen[0].second->line.where()));
  const auto* by_string = find(values, choice.name);
  if (by_string == nullptr) return by_member;
  const auto what = str(by_string->line.where(), ": CONFIG_", choice.name, "=\"", by_string->text, "\"");
  const auto own = std::find_if(choice.members.begin(), choice.members.end(),
                                [&](const auto& member) { return member.first == by_string->text; });
  if (own == choice.members.end())
    throw UserError(
        str(what, ": unknown value; the choice ", choice.name, " has ", list(choice, /*of_members=*/false)));
  const bool other = by_member && *by_member != own->first;
  const auto* denied = find(values, own->second);
  if (other || (denied != nullptr && denied->text == "n"))
    throw UserError(str(what, " contradicts the choice ", choice.name, ": ",
                        other ? *chosen[0].first : own->second, " is ", other ? "y" : "n", " at ",
                        other ? chosen[0].second->line.where() : denied->line.where(), "; select ",
                        own->second, "=y or leave this line out"));
  return own->first;
}

// The value that the menu would come to must be the one that the file asks for.
void check_value(const std::string& name, const Value& value, const Names& names, const Settings& settings) {
  const auto what = str(value.line.where(), ": CONFIG_", name, "=", value.text);
  if (const auto member = names.members.find(name); member != names.members.end()) {
    const auto& [choice, selects] = member->second;
    if (value.text == "n" && settings.text(choice->name) == selects)
      throw UserError(str(what, ": the choice ", choice->name, " comes to ", selects, "; select one of ",
                          list(*choice, /*of_members=*/true), " with =y"));
    return;
  }
  const auto* symbol = find_symbol(name);
  if (symbol->type != SymbolType::kInt) return;
  const auto number = parse_int(value.text);
  if (!number || *number < symbol->least || *number > symbol->most)
    throw UserError(str(what, " is out of range; allowed is ", symbol->least, " to ", symbol->most));
}

}  // namespace

Settings Settings::from_file(const std::filesystem::path& path) {
  static const Names names;
  Settings settings = defaults();
  auto values = scan(dotconfig_lines(read_text(path), path.string()), path.string(), names);
  for (const auto& symbol : symbols()) {
    if (symbol.type != SymbolType::kChoice) continue;
    const auto value = selected(symbol, values);
    if (!value) continue;
    const auto at = std::find_if(values.begin(), values.end(), [&](const auto& entry) {
      const auto member = names.members.find(entry.first);
      return entry.first == symbol.name ||
             (member != names.members.end() && member->second.choice == &symbol && entry.second.text == "y");
    });
    settings.set(symbol.name, *value, at->second.line.where());
  }
  for (const auto& [name, value] : values) {
    check_value(name, value, names, settings);
    const auto* symbol = find_symbol(name);
    if (symbol != nullptr && symbol->type != SymbolType::kChoice)
      settings.set(name, value.text, value.line.where());
  }
  return settings;
}

}  // namespace kablate
