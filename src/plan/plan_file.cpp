#include "plan/plan_file.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/yaml_reader.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMostSteps = 1000;  // of a grid or a factorial

// In the order of Control.
const std::vector<std::string> kControls{"parameters", "flops",     "dead_twin",
                                         "narrower",   "shallower", "wider"};

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

// The percent of a run's updates after which something is to happen; nothing where the value is none.
std::optional<std::int64_t> percent_of_updates(const Delta& delta) {
  const bool counts_updates = delta.symbol == "MLP_UNSHARE_AT" || delta.symbol == "LORA_FREEZE_BASE_AT";
  if (!counts_updates || !delta.value.ends_with('%')) return {};
  const auto percent = parse_int(delta.value.substr(0, delta.value.size() - 1));
  if (!percent || *percent < 0 || *percent > 99)
    throw UserError(str(delta.origin, ": ", delta.symbol, " = \"", delta.value,
                        "\": allowed: an update, or a share of GPT2_MAX_ITERS from 0% to 99%"));
  return percent;
}

// Walks the document of one file; every message starts with its path and the line.
class PlanParser {
 public:
  PlanParser(const std::string& text, const std::string& path) : yaml_(text, path) {
    file_.text = text, file_.path = path;
  }

  // The first mistake is the error; if it is an unknown symbol, all unknown symbols are.
  PlanFile parse() {
    try {
      read();
    } catch (const UserError&) {
      refuse_unknown();
      throw;
    }
    refuse_unknown();
    return std::move(file_);
  }

 private:
  void read() {
    const YAML::Node root = yaml_.load();
    YAML::Node baseline = missing(), factorial = missing(), grid = missing(), path = missing(),
               controls = missing();
    for (const auto& [key, value] : yaml_.entries(
             root, "the plan", {"name", "baseline", "steps", "factorial", "grid", "path", "controls"})) {
      if (key == "name") read_name(value);
      if (key == "baseline") baseline.reset(value), file_.baseline = yaml_.whole_number(value, "baseline");
      if (key == "steps") read_steps(value);
      if (key == "factorial") factorial.reset(value);
      if (key == "grid") grid.reset(value);
      if (key == "path") path.reset(value);
      if (key == "controls") controls.reset(value);
    }
    if (factorial.IsDefined()) read_factorial(factorial);
    if (grid.IsDefined()) read_grid(grid);
    if (path.IsDefined()) read_path(path);
    if (file_.name.empty()) yaml_.fail(root, "the key `name` is missing");
    if (file_.steps.empty())
      yaml_.fail(root, "there are no steps; add `steps`, `factorial`, `grid` or `path`");
    check_reruns();
    check_baseline(root, baseline);
    if (controls.IsDefined()) read_controls(controls);
  }

  void refuse_unknown() const {
    if (!unknown_.empty()) throw UserError(unknown_symbols(unknown_));
  }

  static YAML::Node missing() { return YAML::Node(YAML::NodeType::Undefined); }

  void read_name(const YAML::Node& node) {
    file_.name = yaml_.scalar(node, "name");
    if (trim(file_.name).empty() || file_.name.find_first_of("\n\r") != std::string::npos)
      yaml_.fail(node, "name: expected one line of text");
  }

  // An unknown symbol is kept for refuse_unknown(), so that all are named.
  Delta delta(const std::string& symbol, const std::string& value, const YAML::Node& node) {
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
  Delta delta(const std::string& symbol, const YAML::Node& node) {
    return delta(symbol, yaml_.scalar(node, symbol), node);
  }

  void read_steps(const YAML::Node& node) {
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

  std::int64_t next_number() const { return file_.steps.empty() ? 0 : file_.steps.rbegin()->first + 1; }

  void add_factor(const YAML::Node& node) {
    const auto& symbol = yaml_.scalar(node, "factorial");
    const auto* known = find_symbol(symbol);
    if (known != nullptr && known->type != SymbolType::kBool)
      yaml_.fail(node, str("factorial: ", symbol, " is no switch; allowed: symbols that are y or n"));
    delta(symbol, "y", node);  // refuses what no step can set
    if (std::find(file_.factors.begin(), file_.factors.end(), symbol) != file_.factors.end())
      yaml_.fail(node, str("factorial: ", symbol, " stands twice"));
    file_.factors.push_back(symbol);
  }

  void read_factorial(const YAML::Node& node) {
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

  // A value in its one spelling: 1e-3 and 0.001 are one rate.
  static std::string one_spelling(const Delta& delta) {
    if (find_symbol(delta.symbol) == nullptr) return delta.value;
    if (percent_of_updates(delta)) return delta.value;
    auto settings = Settings::defaults();
    settings.set(delta.symbol, delta.value, delta.origin);
    for (const auto& field : field_values(settings.bind()))
      if (field.symbol == delta.symbol) return field.text;
    return delta.value;
  }

  std::vector<Delta> grid_axis(const std::string& symbol, const YAML::Node& values) {
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

  void read_grid(const YAML::Node& grid) {
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

  // A later value of a symbol takes the place of the earlier one.
  static void put(std::vector<Delta>& set, const Delta& delta) {
    const auto same = std::find_if(set.begin(), set.end(),
                                   [&](const Delta& earlier) { return earlier.symbol == delta.symbol; });
    if (same == set.end())
      set.push_back(delta);
    else
      *same = delta;
  }

  void read_path(const YAML::Node& path) {
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

  template <typename Chosen>
  std::string step_list(Chosen chosen) const {
    std::vector<std::string> numbers;
    for (const auto& [number, step] : file_.steps)
      if (chosen(number)) numbers.push_back(std::to_string(number));
    return join(numbers, ", ");
  }
  std::string all_steps() const {
    return step_list([](std::int64_t) { return true; });
  }

  void check_reruns() const {
    for (const auto& [step_number, step] : file_.steps) {
      if (!step.rerun_of) continue;
      const auto what = str(step.origin, ": step ", step_number, ": rerun_of: ", *step.rerun_of);
      const auto target = file_.steps.find(*step.rerun_of);
      if (target == file_.steps.end())
        throw UserError(str(what, ": there is no such step; the plan has ", all_steps()));
      if (target->second.rerun_of)
        throw UserError(str(what, ": that step is a rerun itself; name step ", *target->second.rerun_of));
    }
  }

  void check_baseline(const YAML::Node& root, const YAML::Node& baseline) const {
    if (!baseline.IsDefined())
      yaml_.fail(root, "the key `baseline` is missing: the step that the others are compared with");
    const auto found = file_.steps.find(file_.baseline);
    if (found == file_.steps.end())
      yaml_.fail(baseline,
                 str("baseline: ", file_.baseline, ": there is no such step; the plan has ", all_steps()));
    if (found->second.rerun_of)
      yaml_.fail(baseline, str("baseline: ", file_.baseline, ": that step is a rerun"));
  }

  std::vector<std::int64_t> named_arms(const YAML::Node& list, const std::string& what) const {
    std::vector<std::int64_t> arms;
    for (const auto& node : yaml_.members(list, what, "[2, 3]")) {
      const auto number = yaml_.whole_number(node, what);
      if (!file_.steps.contains(number) || !file_.is_arm(number))
        yaml_.fail(node, str(what, ": ", number, " is no arm; allowed: ", step_list([&](std::int64_t step) {
                               return file_.is_arm(step);
                             })));
      if (std::find(arms.begin(), arms.end(), number) != arms.end())
        yaml_.fail(node, str(what, ": ", number, " stands twice"));
      arms.push_back(number);
    }
    return arms;
  }

  // The arms that one member of `controls` asks for; an empty one is chosen with the configuration.
  std::vector<std::optional<std::int64_t>> controlled(Control kind, const YAML::Node& list,
                                                      const YAML::Node& node) const {
    const auto what = "controls: " + control_name(kind);
    std::vector<std::optional<std::int64_t>> arms;
    if (list.IsDefined()) {
      for (const auto number : named_arms(list, what)) arms.emplace_back(number);
      return arms;
    }
    for (const auto& [number, step] : file_.steps)
      if (file_.is_arm(number)) arms.emplace_back(number);
    if (arms.empty()) yaml_.fail(node, what + ": the plan has no arm beside its baseline");
    if (kind == Control::kDeadTwin) arms = {std::nullopt};
    return arms;
  }

  void read_controls(const YAML::Node& node) {
    std::set<Control> seen;
    std::int64_t next = next_number();
    for (const auto& member : yaml_.members(node, "controls", "[parameters, {dead_twin: [3]}]")) {
      YAML::Node list = missing();
      std::string word;
      if (member.IsMap()) {
        const auto parts = yaml_.entries(member, "controls", kControls);
        if (parts.size() != 1) yaml_.fail(member, "controls: expected one kind, such as {parameters: [2]}");
        word = parts[0].first, list.reset(parts[0].second);
      } else {
        word = yaml_.scalar(member, "controls");
      }
      const auto at = std::find(kControls.begin(), kControls.end(), word);
      if (at == kControls.end())
        yaml_.fail(member, str("controls: unknown kind \"", word, "\"; allowed: ", join(kControls, ", ")));
      const auto kind = static_cast<Control>(at - kControls.begin() + 1);
      if (!seen.insert(kind).second) yaml_.fail(member, str("controls: ", word, " stands twice"));
      for (const auto& arm : controlled(kind, list, member))
        file_.controls[next++] = {.origin = yaml_.where(member), .kind = kind, .of = arm};
    }
  }

  YamlReader yaml_;
  PlanFile file_;
  std::vector<std::pair<std::string, std::string>> unknown_;  // symbols with where they stand
};

std::string known_plans(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names.empty() ? str("there is none in ", folder.string()) : "there are: " + join(names, ", ");
}

}  // namespace

Settings with_deltas(Settings settings, const std::vector<Delta>& deltas) {
  for (const auto& delta : deltas)
    if (!percent_of_updates(delta)) settings.set(delta.symbol, delta.value, delta.origin);
  // Of the step's own number of updates, which another delta may set.
  const auto updates = settings.bind().train.max_iters;
  for (const auto& delta : deltas)
    if (const auto percent = percent_of_updates(delta))
      settings.set(delta.symbol, std::to_string(1 + updates * *percent / 100), delta.origin);
  return settings;
}

std::string control_name(Control control) {
  return control == Control::kNone ? "" : kControls[static_cast<std::size_t>(control) - 1];
}

PlanFile parse_plan(const std::string& text, const std::string& path) {
  try {
    return PlanParser(text, path).parse();
  } catch (const YAML::Exception& fault) {
    throw UserError(str(path, ":", std::max(fault.mark.line, 0) + 1, ": not a plan (", fault.msg, ")"));
  }
}

PlanFile read_plan_file(const fs::path& plans_folder, const std::string& name) {
  const fs::path path = plans_folder / (name + ".yaml");
  std::error_code ignored;
  const bool plain = !name.empty() && name.find('/') == std::string::npos && name[0] != '.';
  if (!plain || !fs::exists(path, ignored))
    throw UserError(
        str("ABLATION_PLAN = \"", name, "\": there is no such plan; ", known_plans(plans_folder)));
  return parse_plan(read_text(path), path.string());
}

}  // namespace kablate
