#include "plan/same_steps.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "plan/terms.h"

namespace kablate {
namespace {

bool is_original(const Step& step) { return !step.rerun_of && step.control == Control::kNone; }

std::string label(const Step& step) { return str("step ", step.number, " (", step.name, ")"); }

// " GPT2_DROPOUT=0.2": what a step trains with, where it is not what another does. What both are given and
// only this one reads follows from the rest, and is left out where there is any.
std::string difference_text(const Step& step, const Step& other) {
  const auto own = trained_values(step.config), theirs = trained_values(other.config);
  std::map<std::string, std::string> given;
  for (const auto& field : field_values(other.config)) given[field.symbol] = field.text;
  std::string set, read;
  for (const auto& [symbol, value] : own) {
    if (const auto found = theirs.find(symbol); found != theirs.end() && found->second == value) continue;
    (given[symbol] == value ? read : set) += str(" ", symbol, "=", value);
  }
  return set.empty() ? read : set;
}

// The symbols whose values differ although they change nothing.
std::string without_effect(const Step& a, const Step& b) {
  std::vector<std::string> symbols;
  const auto own = field_values(a.config), other = field_values(b.config);
  for (std::size_t i = 0; i < own.size(); ++i)
    if (own[i].scope == Scope::kNumbers && own[i].text != other[i].text) symbols.push_back(own[i].symbol);
  return symbols.empty() ? "" : str(" (what differs changes no weight here: ", join(symbols, ", "), ")");
}

const Step* find(const std::vector<Step>& steps, std::int64_t number) {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.number == number; });
  return found == steps.end() ? nullptr : &*found;
}

// What a step trains with, an expansion as the widths that it gives: 4 and 4.01 may be one.
TrainedValues effective_values(const Config& config) {
  TrainedValues values = trained_values(config);
  if (const auto found = values.find("MLP_EXPANSION"); found != values.end()) {
    found->second.clear();
    for (std::int64_t layer = 0; layer < config.gpt.num_layers; ++layer)
      found->second += str(config.mlp_width(layer), " ");
  }
  return values;
}

[[noreturn]] void refuse_same(const Step& step, const Step& first) {
  throw UserError(str(step.origin, ": ", label(step), " trains what ", label(first), " at ", first.origin,
                      " trains", without_effect(step, first), ": make it `rerun_of: ", first.number,
                      "`, or set in it what it is to differ in"));
}

}  // namespace

void tell_names_apart(std::map<std::int64_t, Step>& steps, std::int64_t baseline) {
  std::map<std::string, std::vector<Step*>> by_name;
  by_name[steps.at(baseline).name].push_back(&steps.at(baseline));
  for (auto& [number, step] : steps)
    if (is_original(step) && number != baseline) by_name[step.name].push_back(&step);
  for (const auto& [name, sharing] : by_name)
    for (std::size_t i = 1; i < sharing.size(); ++i)
      sharing[i]->name += difference_text(*sharing[i], *sharing[0]);
  for (auto& [number, step] : steps)
    if (step.rerun_of) step.name = steps.at(*step.rerun_of).name;
}

void refuse_same_steps(const std::vector<Step>& steps, std::int64_t baseline) {
  std::vector<const Step*> seen;
  std::vector<TrainedValues> values;
  const auto check = [&](const Step& step) {
    if (!is_original(step)) return;
    auto own = effective_values(step.config);
    for (std::size_t i = 0; i < seen.size(); ++i)
      if (training_differences(own, values[i]).empty()) refuse_same(step, *seen[i]);
    seen.push_back(&step);
    values.push_back(std::move(own));
  };
  if (const auto* first = find(steps, baseline)) check(*first);
  for (const auto& step : steps)
    if (step.number != baseline) check(step);
}

void refuse_other_losses(const std::vector<Step>& steps, std::int64_t baseline) {
  const Step* first = find(steps, baseline);
  if (steps.empty()) return;
  if (first == nullptr) first = &steps.front();
  const auto theirs = trained_values(first->config);
  for (const auto& step : steps) {
    auto terms = term_differences(trained_values(step.config), theirs);
    std::erase_if(terms, [](const TermDifference& term) { return term.kind != TermKind::kMeasured; });
    if (terms.empty()) continue;
    throw UserError(str(step.settings.origin(terms[0].symbol), ": ", label(step), ": ", terms[0].symbol,
                        " = ", terms[0].own, ", and ", terms[0].other, " in ", label(*first),
                        ": their losses would be measured on other tokens, and no difference of them means "
                        "anything; give all steps of a plan one value, and make a plan for each of several"));
  }
}

}  // namespace kablate
