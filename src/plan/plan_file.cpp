#include "plan/plan_file.h"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/settings.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMostGridSteps = 1000;

// Hold for every step of a plan: what runs, where and on which data. A step that changed one would be
// ignored, or could not be compared with the others.
constexpr std::array<std::string_view, 10> kPlanWide{"EXPERIMENT_NAME",
                                                     "ABLATION_PLAN",
                                                     "RA_MLA_ABLATION_MODE",
                                                     "RA_MLA_ABLATION_STEPS",
                                                     "SEEDS",
                                                     "PARALLEL_TRIALS",
                                                     "THREADS",
                                                     "DEVICE",
                                                     "DATASET",
                                                     "DATA_PATH"};

// Takes a document's events and keeps none.
struct IgnoreEvents final : YAML::EventHandler {
  using Mark = YAML::Mark;
  using Anchor = YAML::anchor_t;
  using Text = const std::string&;
  using Style = YAML::EmitterStyle::value;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, Anchor) override {}
  void OnAlias(const Mark&, Anchor) override {}
  void OnScalar(const Mark&, Text, Anchor, Text) override {}
  void OnSequenceStart(const Mark&, Text, Anchor, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, Text, Anchor, Style) override {}
  void OnMapEnd() override {}
};

// YAML::Load reads the first document and drops the others without a word; YAML::LoadAll (0.7) never ends on
// a text such as ",a".
bool holds_one_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  IgnoreEvents ignore;
  return parser.HandleNextDocument(ignore) && !parser.HandleNextDocument(ignore);
}

// Walks the document of one file; every message starts with its path and the line.
class PlanParser {
 public:
  PlanParser(const std::string& text, const std::string& path) { file_.text = text, file_.path = path; }

  PlanFile parse() {
    const YAML::Node root = load();
    for (const auto& [key, value] : entries(root, "the plan", {"name", "baseline", "steps", "grid"})) {
      if (key == "name") read_name(value);
      if (key == "baseline") baseline_ = value, file_.baseline = whole_number(value, "baseline");
      if (key == "steps") read_steps(value);
      if (key == "grid") grid_ = value;
    }
    if (grid_.IsDefined()) read_grid();
    if (file_.name.empty()) fail(root, "the key `name` is missing");
    if (file_.steps.empty()) fail(root, "there are no steps; add `steps` or `grid`");
    check_reruns();
    check_baseline(root);
    return std::move(file_);
  }

 private:
  using Entries = std::vector<std::pair<std::string, YAML::Node>>;

  std::string where(const YAML::Node& node) const { return where(node.Mark()); }
  std::string where(const YAML::Mark& mark) const { return str(file_.path, ":", std::max(mark.line, 0) + 1); }
  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const {
    throw UserError(str(where(node), ": ", what));
  }

  YAML::Node load() const {
    if (file_.text.find('\0') != std::string::npos)
      throw UserError(str(file_.path, ": not a text file; expected YAML"));
    try {
      if (!holds_one_document(file_.text))
        throw UserError(str(file_.path, ":1: expected one YAML document, a plan"));
      return YAML::Load(file_.text);
    } catch (const YAML::Exception& fault) {
      throw UserError(str(where(fault.mark), ": not YAML (", fault.msg, ")"));
    }
  }

  // The entries of a map in the order of the file; `allowed` empty admits every key.
  Entries entries(const YAML::Node& node, const std::string& what,
                  const std::vector<std::string>& allowed) const {
    if (!node.IsMap()) fail(node, what + ": expected keys with values, such as `name: ladder`");
    Entries result;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) fail(entry.first, what + ": a key must be a plain word or number");
      const auto& key = entry.first.Scalar();
      if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), key) == allowed.end())
        fail(entry.first, str(what, ": unknown key \"", key, "\"; allowed: ", join(allowed, ", ")));
      if (!seen.insert(key).second) fail(entry.first, str(what, ": \"", key, "\" stands twice"));
      result.emplace_back(key, entry.second);
    }
    return result;
  }

  const std::string& scalar(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar()) fail(node, what + ": expected one value");
    return node.Scalar();
  }

  std::int64_t number(const std::string& text, const YAML::Node& node, const std::string& what) const {
    const auto value = parse_int(text);
    if (!value || *value < 0 || *value > 1000000)
      fail(node, str(what, " = \"", text, "\": allowed: a whole number from 0 to 1000000"));
    return *value;
  }
  std::int64_t whole_number(const YAML::Node& node, const std::string& what) const {
    return number(scalar(node, what), node, what);
  }

  void read_name(const YAML::Node& node) {
    file_.name = scalar(node, "name");
    if (trim(file_.name).empty() || file_.name.find_first_of("\n\r") != std::string::npos)
      fail(node, "name: expected one line of text");
  }

  Delta delta(const std::string& symbol, const YAML::Node& node) const {
    const Delta result{symbol, scalar(node, symbol), where(node)};
    if (std::find(kPlanWide.begin(), kPlanWide.end(), symbol) != kPlanWide.end())
      fail(node, symbol + " holds for a whole plan; no step can set it");
    Settings::defaults().set(symbol, result.value, result.origin);
    return result;
  }

  void read_steps(const YAML::Node& node) {
    for (const auto& [key, body] : entries(node, "steps", {})) {
      const auto what = "step " + key;
      const auto step_number = number(key, body, "steps: the step's number");
      StepFile step{.origin = where(body), .set = {}, .rerun_of = {}};
      const auto parts = entries(body, what, {"set", "rerun_of"});
      if (parts.size() != 1) fail(body, what + ": expected `set` or `rerun_of`, and one of them only");
      if (parts[0].first == "rerun_of") {
        step.rerun_of = whole_number(parts[0].second, what + ": rerun_of");
      } else {
        for (const auto& [symbol, value] : entries(parts[0].second, what + ": set", {}))
          step.set.push_back(delta(symbol, value));
      }
      file_.steps.emplace(step_number, std::move(step));
    }
  }

  std::vector<Delta> grid_axis(const std::string& symbol, const YAML::Node& values) const {
    if (!values.IsSequence() || values.size() == 0)
      fail(values, str("grid: ", symbol, ": expected a list of values, such as [32, 64]"));
    std::vector<Delta> axis;
    for (const auto& value : values) {
      axis.push_back(delta(symbol, value));
      const auto same = [&](const Delta& other) { return other.value == axis.back().value; };
      if (std::find_if(axis.begin(), axis.end() - 1, same) != axis.end() - 1)
        fail(value, str("grid: ", symbol, ": ", axis.back().value, " stands twice"));
    }
    return axis;
  }

  void read_grid() {
    std::vector<std::vector<Delta>> combinations{{}};
    for (const auto& [symbol, values] : entries(grid_, "grid", {})) {
      const auto axis = grid_axis(symbol, values);
      if (combinations.size() * axis.size() > kMostGridSteps)
        fail(grid_, str("grid: more than ", kMostGridSteps, " steps"));
      std::vector<std::vector<Delta>> longer;
      for (const auto& combination : combinations)
        for (const auto& next : axis) longer.push_back(combination), longer.back().push_back(next);
      combinations = std::move(longer);
    }
    if (combinations.front().empty()) fail(grid_, "grid: expected at least one symbol with its values");
    std::int64_t next = file_.steps.empty() ? 0 : file_.steps.rbegin()->first + 1;
    for (auto& set : combinations)
      file_.steps[next++] = {
          .origin = where(grid_), .set = std::move(set), .rerun_of = {}, .from_grid = true};
  }

  std::string step_list() const {
    std::vector<std::string> numbers;
    for (const auto& [step_number, step] : file_.steps) numbers.push_back(std::to_string(step_number));
    return join(numbers, ", ");
  }

  void check_reruns() const {
    for (const auto& [step_number, step] : file_.steps) {
      if (!step.rerun_of) continue;
      const auto what = str(step.origin, ": step ", step_number, ": rerun_of: ", *step.rerun_of);
      const auto target = file_.steps.find(*step.rerun_of);
      if (target == file_.steps.end())
        throw UserError(str(what, ": there is no such step; the plan has ", step_list()));
      if (target->second.rerun_of)
        throw UserError(str(what, ": that step is a rerun itself; name step ", *target->second.rerun_of));
    }
  }

  void check_baseline(const YAML::Node& root) const {
    if (!baseline_.IsDefined())
      fail(root, "the key `baseline` is missing: the step that the others are compared with");
    const auto found = file_.steps.find(file_.baseline);
    if (found == file_.steps.end())
      fail(baseline_,
           str("baseline: ", file_.baseline, ": there is no such step; the plan has ", step_list()));
    if (found->second.rerun_of) fail(baseline_, str("baseline: ", file_.baseline, ": that step is a rerun"));
  }

  PlanFile file_;
  YAML::Node baseline_{YAML::NodeType::Undefined}, grid_{YAML::NodeType::Undefined};
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
