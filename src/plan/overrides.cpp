#include "plan/overrides.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "config/unread.h"

namespace kablate {
namespace {

bool sets_itself(const Step& step, const Settings& base, const std::string& symbol) {
  return step.settings.origin(symbol) != base.origin(symbol);
}

std::string steps_text(const std::vector<std::int64_t>& numbers) {
  return (numbers.size() == 1 ? "step " : "steps ") + list_text(numbers);
}

// The symbols whose value somebody gave: on a command line, or in a file and other than the menu's.
std::vector<std::string> given_symbols(const Settings& base) {
  std::vector<std::string> given;
  for (const auto& symbol : symbols())
    if (on_command_line(base, symbol.name) || base.text(symbol.name) != symbol.default_value)
      given.push_back(symbol.name);
  return given;
}

// Why nothing reads it in the selected steps, and what would.
std::string unread_message(const Settings& base, const std::string& symbol, const std::vector<Step>& selected,
                           const std::map<std::int64_t, Step>& whole) {
  std::vector<std::int64_t> here, readers;
  for (const auto& step : selected) here.push_back(step.number);
  for (const auto& [number, step] : whole)
    if (is_read(symbol, step.config)) readers.push_back(number);
  const auto what =
      str(given_value(base, symbol), ": nothing reads it in ", steps_text(here), "; leave it out");
  if (!readers.empty()) return str(what, ", or select one that does: ", steps_text(readers));
  std::vector<Settings> settings;
  for (const auto& step : selected) settings.push_back(step.settings);
  const auto change = what_would_read(symbol, settings);
  return change.empty() ? what : str(what, ", or set ", change);
}

}  // namespace

std::vector<std::string> check_overrides(const Settings& base, const std::vector<Step>& selected,
                                         const std::map<std::int64_t, Step>& whole) {
  std::vector<std::string> overridden, unread;
  for (const auto& symbol : given_symbols(base)) {
    std::vector<std::int64_t> setters, others;  // others: to another value than the given one
    for (const auto& step : selected) {
      if (!sets_itself(step, base, symbol)) continue;
      setters.push_back(step.number);
      if (step.settings.text(symbol) != base.text(symbol)) others.push_back(step.number);
    }
    const bool read = std::any_of(selected.begin(), selected.end(),
                                  [&](const Step& step) { return is_read(symbol, step.config); });
    const auto value = given_value(base, symbol);
    if (on_command_line(base, symbol) && setters.size() == selected.size())
      throw UserError(str(value, ": counts in no selected step, for each sets ", symbol,
                          " itself: ", steps_text(setters), "; leave it out, or change the plan"));
    if (on_command_line(base, symbol) && !read)
      throw UserError(unread_message(base, symbol, selected, whole));
    if (!others.empty()) overridden.push_back(str(value, " in ", steps_text(others)));
    if (!read && setters.empty()) unread.push_back(value);
  }
  std::vector<std::string> notes;
  if (!overridden.empty()) notes.push_back("set otherwise by the plan: " + join(overridden, "; "));
  if (!unread.empty()) notes.push_back("read by no selected step: " + join(unread, "; "));
  return notes;
}

void check_baseline_overrides(const Settings& base, const Step& baseline) {
  for (const auto& symbol : given_symbols(base)) {
    if (!on_command_line(base, symbol)) continue;
    const auto what = str(given_value(base, symbol), ": ");
    const auto alone = str("the baseline, step ", baseline.number, ", alone is trained here; leave it out");
    if (sets_itself(baseline, base, symbol))
      throw UserError(str(what, "counts for nothing: the plan sets ", symbol, " itself, and ", alone));
    if (!is_read(symbol, baseline.config)) throw UserError(str(what, "nothing reads it: ", alone));
  }
}

}  // namespace kablate
