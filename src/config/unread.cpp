#include "config/unread.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "config/binding.h"
#include "config/config.h"

namespace kablate {
namespace {

// Values worth trying: all that a switch or a choice has; the menu's, and a small one, of what is a number.
std::vector<std::string> candidates(const Symbol& symbol) {
  if (symbol.type == SymbolType::kBool) return {"y", "n"};
  std::vector<std::string> values;
  for (const auto& [value, member] : symbol.members) values.push_back(value);
  if (!values.empty()) return values;
  if (is_list_of_whole_numbers(symbol.name)) return {symbol.default_value, "2"};
  if (symbol.type == SymbolType::kString && parse_real(symbol.default_value))
    return {symbol.default_value, "0.1"};
  if (symbol.type == SymbolType::kInt && symbol.least <= 2 && symbol.most >= 2)
    return {symbol.default_value, "2"};
  return {symbol.default_value};
}

bool is_closed(const Symbol& symbol) {
  return symbol.type == SymbolType::kBool || symbol.type == SymbolType::kChoice;
}

// Those of a symbol's values that make `target` be read, alone.
std::vector<std::string> values_that_read(std::string_view target, const Symbol& changed,
                                          const Settings& settings) {
  std::vector<std::string> values;
  for (const auto& value : candidates(changed)) {
    if (value == settings.text(changed.name)) continue;
    Settings tried = settings;
    tried.set(changed.name, value, "");
    if (is_read(target, tried.bind())) values.push_back(value);
  }
  return values;
}

// One change; switches and choices before numbers.
std::string one_change(std::string_view target, const Settings& settings) {
  for (const bool closed : {true, false})
    for (const auto& symbol : symbols()) {
      if (symbol.name == target || is_closed(symbol) != closed) continue;
      const auto values = values_that_read(target, symbol, settings);
      if (!values.empty()) return str(symbol.name, " = ", join(values, " or "));
    }
  return "";
}

// Those of training, data and runs, told by where their field lies. Of the objective, what it is and whether
// there is a critic belong to the model.
std::vector<std::string> symbols_beside_the_model() {
  Config config;
  const auto holds = [](const auto& options, const void* field) {
    const std::less<const void*> before;
    return !before(field, &options) && before(field, &options + 1);
  };
  const auto& objective = config.objective;
  const std::vector<const void*> of_training{&objective.mask_rate, &objective.schedule,
                                             &objective.critic_weight};
  std::vector<std::string> names;
  visit_fields(config, [&](std::string_view name, const auto& field, Scope, auto&&...) {
    const bool trains = std::find(of_training.begin(), of_training.end(), &field) != of_training.end();
    if (trains || holds(config.optim, &field) || holds(config.train, &field) || holds(config.data, &field) ||
        holds(config.run, &field))
      names.emplace_back(name);
  });
  return names;
}

}  // namespace

std::vector<std::string> unread_symbols(const Config& config) {
  auto names = unused_symbols(config);
  if (config.data.dataset == DatasetKind::kShakespeare || config.data.is_synthetic())
    names.push_back("DATA_PATH");
  if (!config.run.ablation) names.push_back("ABLATION_PLAN");
  return names;
}

bool is_read(std::string_view symbol, const Config& config) {
  const auto unread = unread_symbols(config);
  return std::find(unread.begin(), unread.end(), symbol) == unread.end();
}

std::string what_would_read(std::string_view symbol, const std::vector<Settings>& all) {
  for (const auto& settings : all)
    if (const auto change = one_change(symbol, settings); !change.empty()) return change;
  const Settings& settings = all.front();
  for (const auto& first : symbols()) {
    if (first.name == symbol) continue;
    for (const auto& value : candidates(first)) {
      if (value == settings.text(first.name)) continue;
      Settings tried = settings;
      tried.set(first.name, value, "");
      if (const auto second = one_change(symbol, tried); !second.empty())
        return str(first.name, " = ", value, " with ", second);
    }
  }
  return "";
}

void check_read(const Settings& settings, std::string_view command,
                const std::vector<std::string_view>& more) {
  for (const auto& symbol : symbols_beside_the_model())
    if (on_command_line(settings, symbol) && std::find(more.begin(), more.end(), symbol) == more.end())
      throw UserError(
          str(given_value(settings, symbol), ": `kablate ", command, "` does not read it; leave it out"));
  for (const auto& symbol : unread_symbols(settings.bind())) {
    if (!on_command_line(settings, symbol)) continue;
    const auto change = what_would_read(symbol, {settings});
    throw UserError(str(given_value(settings, symbol), ": nothing reads it under this configuration; ",
                        change.empty() ? "leave it out" : "leave it out, or set " + change));
  }
}

std::string given_value(const Settings& settings, std::string_view symbol) {
  return str(settings.origin(symbol), ": ", symbol, " = \"", settings.text(symbol), "\"");
}

bool on_command_line(const Settings& settings, std::string_view symbol) {
  return settings.origin(symbol).starts_with("--");
}

}  // namespace kablate
