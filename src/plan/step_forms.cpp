#include "plan/step_forms.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"

namespace kablate {
namespace {

constexpr std::size_t kMostSteps = 1000;  // of a grid, a factorial, `each` or `all_but`

// Whether a symbol holds for every step of a plan: what runs, where and on which data. A step that changed
// one would be ignored, or could not be compared with the others.
bool is_plan_wide(std::string_view symbol) {
  constexpr std::array<std::string_view, 2> kData{"DATASET", "TOKENIZER"};  // their numbers are the trial's
  constexpr std::array<std::string_view, 2> kOfEachTrial{"RA_MLA_ALLOW_NONCAUSAL", "MEASURE_HEADS"};
  static const auto fields = field_values(Config{});
  const auto in = [&](const auto& symbols) { return std::ranges::find(symbols, symbol) != symbols.end(); };
  const auto field = std::ranges::find(fields, symbol, &FieldValue::symbol);
  return in(kData) || (field != fields.end() && field->scope == Scope::kHarness && !in(kOfEachTrial));
}

bool is_switch(const std::string& symbol) {
  const auto* known = find_symbol(symbol);
  return known != nullptr && known->type == SymbolType::kBool;
}

// A later value of a symbol takes the place of the earlier one.
void put(std::vector<Delta>& set, const Delta& delta) {
  const auto same = std::find_if(set.begin(), set.end(),
                                 [&](const Delta& earlier) { return earlier.symbol == delta.symbol; });
  if (same == set.end())
    set.push_back(delta);
  else
    *same = delta;
}

}  // namespace

void StepForms::refuse_unknown() const {
  if (!unknown_.empty()) throw UserError(unknown_symbols(unknown_));
}

// An unknown symbol is kept for refuse_unknown(), so that all are named.
Delta StepForms::delta(const std::string& symbol, const std::string& value, const YAML::Node& node) {
  const Delta result{symbol, value, yaml_.where(node)};
  if (is_plan_wide(symbol)) yaml_.fail(node, symbol + " holds for a whole plan; no step can set it");
  const std::pair place{symbol, result.origin};
  if (find_symbol(symbol) != nullptr)
    with_deltas(Settings::defaults(), {result});
  else if (std::find(unknown_.begin(), unknown_.end(), place) == unknown_.end())  // of a grid's values one
    unknown_.push_back(place);
  return result;
}
Delta StepForms::delta(const std::string& symbol, const YAML::Node& node) {
  return delta(symbol, yaml_.scalar(node, symbol), node);
}

std::int64_t StepForms::next_number() const {
  return file_.steps.empty() ? 0 : file_.steps.rbegin()->first + 1;
}

void StepForms::read_steps(const YAML::Node& node) {
  for (const auto& [key, body] : yaml_.entries(node, "steps", {})) {
    const auto what = "step " + key;
    const auto step_number = yaml_.number(key, body, "steps: the step's number");
    StepFile step{.origin = yaml_.where(body), .set = {}, .rerun_of = {}, .cell = {}};
    const auto parts = yaml_.entries(body, what, {"set", "rerun_of"});
    if (parts.size() != 1) yaml_.fail(body, what + ": expected `set` or `rerun_of`, and one of them only");
    if (parts[0].first == "rerun_of") {
      step.rerun_of = yaml_.whole_number(parts[0].second, what + ": rerun_of");
    } else {
      for (const auto& [symbol, value] : yaml_.entries(parts[0].second, what + ": set", {}))
        step.set.push_back(delta(symbol, value));
    }
    file_.steps.emplace(step_number, std::move(step));
  }
}

void StepForms::add_factor(const YAML::Node& node) {
  const auto& symbol = yaml_.scalar(node, "factorial");
  if (find_symbol(symbol) != nullptr && !is_switch(symbol))
    yaml_.fail(node, str("factorial: ", symbol, " is no switch; allowed: symbols that are y or n"));
  delta(symbol, "y", node);  // refuses what no step can set
  if (std::find(file_.factors.begin(), file_.factors.end(), symbol) != file_.factors.end())
    yaml_.fail(node, str("factorial: ", symbol, " stands twice"));
  file_.factors.push_back(symbol);
}

void StepForms::read_factorial(const YAML::Node& node) {
  for (const auto& member :
       yaml_.members(node, "factorial", "[RA_MLA_MLP_ATTN_GATE, RA_MLA_MLP_CROSS_TOKEN]")) {
    add_factor(member);
    if ((std::size_t{1} << file_.factors.size()) > kMostSteps)
      yaml_.fail(member, str("factorial: more than ", kMostSteps, " steps"));
  }
  const std::int64_t cells = std::int64_t{1} << file_.factors.size();
  const bool collides = !file_.steps.empty() && file_.steps.begin()->first < cells;
  const std::int64_t first = collides ? next_number() : 0;
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    StepFile step{.origin = yaml_.where(node), .set = {}, .rerun_of = {}, .cell = cell};
    for (std::size_t i = 0; i < file_.factors.size(); ++i)
      step.set.push_back({file_.factors[i], (cell >> i & 1) != 0 ? "y" : "n", step.origin});
    file_.steps.emplace(first + cell, std::move(step));
  }
}

std::vector<Delta> StepForms::grid_axis(const std::string& symbol, const YAML::Node& values) {
  std::vector<Delta> axis;
  std::map<std::string, Delta> seen;
  for (const auto& value : yaml_.members(values, str("grid: ", symbol), "[32, 64]")) {
    axis.push_back(delta(symbol, value));
    const auto& own = axis.back();
    const auto [at, is_new] = seen.emplace(one_spelling(own), own);
    if (is_new) continue;
    const auto& first = at->second;
    yaml_.fail(value, str("grid: ", symbol, ": ", own.value,
                          own.value == first.value
                              ? str(" stands twice, first at ", first.origin)
                              : str(" is the ", first.value, " at ", first.origin, " in another spelling"),
                          "; take one of them out"));
  }
  return axis;
}

void StepForms::read_grid(const YAML::Node& grid) {
  std::vector<std::vector<Delta>> combinations{{}};
  for (const auto& [symbol, values] : yaml_.entries(grid, "grid", {})) {
    file_.axes.push_back(symbol);
    const auto axis = grid_axis(symbol, values);
    if (combinations.size() * axis.size() > kMostSteps)
      yaml_.fail(grid, str("grid: more than ", kMostSteps, " steps"));
    std::vector<std::vector<Delta>> longer;
    for (const auto& combination : combinations)
      for (const auto& next : axis) longer.push_back(combination), longer.back().push_back(next);
    combinations = std::move(longer);
  }
  if (combinations.front().empty()) yaml_.fail(grid, "grid: expected at least one symbol with its values");
  for (auto& set : combinations)
    file_.steps[next_number()] = {
        .origin = yaml_.where(grid), .set = std::move(set), .rerun_of = {}, .from_grid = true, .cell = {}};
}

void StepForms::read_path(const YAML::Node& path) {
  StepFile stair;
  for (const auto& node : yaml_.members(path, "path", "[{}, {GPT2_N_KV_HEAD: 1}]")) {
    const auto number = next_number();
    stair.origin = yaml_.where(node);
    const auto changes = yaml_.entries(node, "path", {});
    if (changes.empty() && stair.after)
      yaml_.fail(node,
                 "path: a stair without a change would be the step before it; only the first may be {}");
    for (const auto& [symbol, value] : changes) put(stair.set, delta(symbol, value));
    file_.steps[number] = stair;
    stair.after = number;
  }
}

StepForms::Item StepForms::item(const YAML::Node& node, const std::string& what) {
  Item result{.node = node, .on = {}, .off = {}};
  const auto add = [&](const std::string& symbol, const std::string& value, const YAML::Node& at) {
    result.on.push_back(delta(symbol, value, at));
    if (is_switch(symbol)) result.off.push_back({symbol, value == "y" ? "n" : "y", result.on.back().origin});
  };
  if (node.IsMap()) {
    for (const auto& [symbol, value] : yaml_.entries(node, what, {}))
      add(symbol, yaml_.scalar(value, symbol), value);
    if (result.on.empty()) yaml_.fail(node, what + ": an item without a value; leave it out");
    return result;
  }
  const auto& symbol = yaml_.scalar(node, what);
  if (find_symbol(symbol) != nullptr && !is_switch(symbol))
    yaml_.fail(node, str(what, ": ", symbol, " is no switch; allowed: symbols that are y or n, and {", symbol,
                         ": value}"));
  add(symbol, "y", node);
  return result;
}

// Two items that are one, that make opposites of a switch, or, where both hold at once, that give a symbol
// two values.
void StepForms::refuse_clash(const Item& item, const Item& earlier, const std::string& what,
                             bool together) const {
  std::size_t same = 0;
  for (const auto& own : item.on)
    for (const auto& other : earlier.on) {
      if (own.symbol != other.symbol) continue;
      if (own.value == other.value || one_spelling(own) == one_spelling(other))
        ++same;
      else if (is_switch(own.symbol) || together)
        yaml_.fail(item.node, str(what, ": ", own.symbol, " is ", own.value, " here and ", other.value,
                                  " in the item at ", other.origin, "; give it one value"));
    }
  if (same != item.on.size() || same != earlier.on.size()) return;
  std::vector<std::string> symbols;
  for (const auto& own : item.on) symbols.push_back(own.symbol);
  yaml_.fail(item.node, str(what, ": ", join(symbols, ", "), " stands twice, first at ",
                            earlier.on.front().origin, "; take one of them out"));
}

std::vector<StepForms::Item> StepForms::items(const YAML::Node& list, const std::string& what) {
  const auto members = yaml_.members(list, what, "[RA_MLA_MLP_ATTN_GATE, {RA_MLA_LATENT_DIM: 32}]");
  if (members.size() >= kMostSteps)  // the step without an item, or with all, is one too
    yaml_.fail(list, str(what, ": more than ", kMostSteps, " steps; leave items out, or make two plans"));
  std::vector<Item> result;
  for (const auto& node : members) {
    result.push_back(item(node, what));
    for (std::size_t i = 0; i + 1 < result.size(); ++i)
      refuse_clash(result.back(), result[i], what, what == "all_but");
  }
  return result;
}

void StepForms::add_step(const YAML::Node& node, const std::vector<Item>& items,
                         const std::vector<const Item*>& chosen) {
  StepFile step;
  step.origin = yaml_.where(node);
  for (const auto& item : items)
    for (const auto& delta : item.off) put(step.set, delta);
  for (const auto* item : chosen)
    for (const auto& delta : item->on) put(step.set, delta);
  file_.steps[next_number()] = std::move(step);
}

void StepForms::read_each(const YAML::Node& list) {
  const auto all = items(list, "each");
  add_step(list, all, {});
  for (const auto& item : all) add_step(item.node, all, {&item});
}

void StepForms::read_all_but(const YAML::Node& list) {
  const auto all = items(list, "all_but");
  std::vector<const Item*> chosen;
  for (const auto& item : all) chosen.push_back(&item);
  add_step(list, all, chosen);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto others = chosen;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    add_step(all[i].node, all, others);
  }
}

}  // namespace kablate
