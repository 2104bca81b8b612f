#include "config/settings.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/binding.h"
#include "config/enum_names.h"
#include "config/names.h"

namespace kablate {
namespace {

std::string allowed(const Symbol& symbol) {
  switch (symbol.type) {
    case SymbolType::kBool:
      return "y or n";
    case SymbolType::kInt:
      return str("a whole number from ", symbol.least, " to ", symbol.most);
    case SymbolType::kString:
      return "a line of text";
    case SymbolType::kChoice:
      break;
  }
  std::vector<std::string> values;
  for (const auto& [value, member] : symbol.members) values.push_back(value);
  return join(values, ", ");
}

bool acceptable(const Symbol& symbol, std::string_view text) {
  switch (symbol.type) {
    case SymbolType::kBool:
      return text == "y" || text == "n";
    case SymbolType::kInt: {
      const auto value = parse_int(text);
      return value && *value >= symbol.least && *value <= symbol.most;
    }
    case SymbolType::kString:
      return text.find_first_of("\n\r") == std::string_view::npos;
    case SymbolType::kChoice:
      break;
  }
  return std::any_of(symbol.members.begin(), symbol.members.end(), [&](auto& m) { return m.first == text; });
}

// What a name that is no symbol may have meant: "write OPTIMIZER=adamw", "did you mean SEEDS?", or "".
std::string advice_on(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& symbol : symbols()) {
    names.push_back(symbol.name);
    for (const auto& [value, member] : symbol.members)
      if (member == name) return str("write ", symbol.name, "=", value);
  }
  const auto bare = name.starts_with("CONFIG_") ? name.substr(7) : name;
  const auto [ours, foreign] = meaning_of(bare, names);
  if (ours.empty()) return "";
  return foreign ? "here it is " + ours : "did you mean " + ours + "?";
}

// Turns the text of one symbol into its field. The origin makes the message point at the line that set it.
struct Binder {
  const Settings& settings;
  std::set<std::string, std::less<>>& bound;

  const std::string& text(std::string_view name) {
    if (find_symbol(name) == nullptr)
      throw WorkError(str("the menu lacks the symbol ", name, " that binding.h binds"));
    bound.emplace(name);
    return settings.text(name);
  }
  void operator()(std::string_view name, bool& field, Scope) { field = text(name) == "y"; }
  void operator()(std::string_view name, std::string& field, Scope) { field = text(name); }
  void operator()(std::string_view name, std::int64_t& field, Scope) {
    field = parse_int(text(name)).value();
  }
  template <typename Enum>
  void operator()(std::string_view name, Enum& field, Scope) {
    const auto& names = EnumNames<Enum>::kNames;
    const auto found = std::find(std::begin(names), std::end(names), text(name));
    if (found == std::end(names) || find_symbol(name)->members.size() != std::size(names))
      throw WorkError(str("enum_names.h and the menu disagree on the values of ", name, " at ", text(name)));
    field = static_cast<Enum>(found - std::begin(names));
  }
  void operator()(std::string_view name, double& field, Scope, Bounds bounds) {
    field = real(name, text(name), bounds);
  }
  template <typename Number>
  void operator()(std::string_view name, PerLayer<Number>& field, Scope, Bounds bounds) {
    const auto parts = split(text(name), ',');
    field.values.clear();
    for (const auto& part : parts) {
      const auto number = parts.size() == 1 ? std::string_view(part) : trim(part);
      if constexpr (std::is_integral_v<Number>)
        field.values.push_back(whole(name, number, bounds));
      else
        field.values.push_back(real(name, number, bounds));
    }
  }
  static bool fits(double value, Bounds bounds) {
    return (bounds.least_allowed ? value >= bounds.least : value > bounds.least) &&
           (bounds.most_allowed ? value <= bounds.most : value < bounds.most);
  }
  [[noreturn]] void refuse(std::string_view name, const std::string& what_is_allowed) const {
    throw UserError(
        str(settings.origin(name), ": ", name, " = \"", settings.text(name), "\": ", what_is_allowed));
  }
  double real(std::string_view name, std::string_view number, Bounds bounds) const {
    const auto value = parse_real(number);
    if (!value || !fits(*value, bounds)) refuse(name, explain(bounds));
    return *value + 0.0;  // -0 is 0: one spelling
  }
  std::int64_t whole(std::string_view name, std::string_view number, Bounds bounds) const {
    const auto value = parse_int(number);
    if (!value || !fits(static_cast<double>(*value), bounds))
      refuse(name,
             str("allowed: a whole number from ", static_cast<std::int64_t>(bounds.least), " to ",
                 static_cast<std::int64_t>(bounds.most), ", or such a number for each layer as a list"));
    return *value;
  }
  static std::string explain(Bounds bounds) {
    std::string limits;
    if (bounds.least > -1e300) limits += str(bounds.least_allowed ? " >= " : " > ", bounds.least);
    if (bounds.most < 1e300)
      limits += str(limits.empty() ? "" : " and", bounds.most_allowed ? " <= " : " < ", bounds.most);
    return "allowed: a decimal number" + limits + " such as 0.1 or 6e-4" +
           (bounds.each ? ", or such a number for each layer as a list" : "");
  }
};

}  // namespace

std::string unknown_symbols(const std::vector<std::pair<std::string, std::string>>& names) {
  constexpr const char* kAll = "`make menuconfig` shows them all";
  const auto& [first, origin] = names.front();
  if (names.size() == 1) {
    const auto advice = advice_on(first);
    return str(origin, ": ", first, ": there is no such configuration symbol; ",
               advice.empty() ? kAll : advice);
  }
  std::vector<std::string> each;
  for (const auto& [name, where] : names) {
    const auto advice = advice_on(name);
    each.push_back(str(name, " (", where, advice.empty() ? "" : ", " + advice, ")"));
  }
  return str(origin, ": ", names.size(), " names are no configuration symbols: ", join(each, ", "), "; ",
             kAll);
}

Settings Settings::defaults() {
  Settings settings;
  for (const auto& symbol : symbols())
    settings.entries_[symbol.name] = {symbol.default_value, "the menu's default"};
  return settings;
}

Settings Settings::baked() {
  Settings settings;
  for (const auto& symbol : symbols()) settings.entries_[symbol.name] = {symbol.value, ".config"};
  return settings;
}

void Settings::set(std::string_view name, std::string_view text, std::string_view origin) {
  const auto* symbol = find_symbol(name);
  if (symbol == nullptr) throw UserError(unknown_symbols({{std::string(name), std::string(origin)}}));
  if (!acceptable(*symbol, text))
    throw UserError(str(origin, ": ", name, " = \"", text, "\": allowed: ", allowed(*symbol)));
  const auto& before = entries_[symbol->name];
  if (origin.starts_with("--") && before.origin.starts_with("--") && before.text != text)
    throw UserError(str(origin, ": ", name, " = \"", text, "\": ", before.origin, " gives it too, as \"",
                        before.text, "\"; leave one of the two out"));
  entries_[symbol->name] = {std::string(text), std::string(origin)};
}

void Settings::settle(std::string_view name, std::string_view text) {
  auto& entry = entries_.find(name)->second;
  const std::string origin = std::exchange(entry.origin, "");
  set(name, text, origin);
}

void Settings::set_assignment(std::string_view assignment, std::string_view origin) {
  const auto equals = assignment.find('=');
  if (equals == std::string_view::npos)
    throw UserError(str(origin, " \"", assignment, "\": allowed: SYMBOL=VALUE, such as GPT2_N_LAYER=4"));
  set(assignment.substr(0, equals), assignment.substr(equals + 1), origin);
}

Config Settings::bind() const {
  Config config;
  std::set<std::string, std::less<>> bound;
  visit_fields(config, Binder{*this, bound});
  for (const auto& symbol : symbols())
    if (!bound.contains(symbol.name))
      throw WorkError(str("no field is bound to the menu's symbol ", symbol.name));
  return config;
}

}  // namespace kablate
