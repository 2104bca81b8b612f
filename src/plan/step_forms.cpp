#include "plan/step_forms.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "config/settings.h"

namespace kablate {
namespace {

constexpr std::size_t kMostSteps = 1000;  // of a grid or a factorial

// Hold for every step of a plan: what runs, where and on which data. A step that changed one would be
// ignored, or could not be compared with the others.
constexpr std::array<std::string_view, 13> kPlanWide{"EXPERIMENT_NAME",
                                                     "ABLATION_PLAN",
                                                     "RA_MLA_ABLATION_MODE",
                                                     "RA_MLA_ABLATION_STEPS",
                                                     "SEEDS",
                                                     "PARALLEL_TRIALS",
                                                     "THREADS",
                                                     "DEVICE",
                                                     "KERNELS",
                                                     "DATASET",
                                                     "TOKENIZER",
                                                     "DATA_PATH",
                                                     "INIT_FROM"};

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
  if (std::find(kPlanWide.begin(), kPlanWide.end(), symbol) != kPlanWide.end())
    yaml_.fail(node, symbol + " holds for a whole plan; no step can set it");
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
  const auto* known = find_symbol(symbol);
  if (known != nullptr && known->type != SymbolType::kBool)
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

}  // namespace kablate
