#include "plan/plan_file.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "plan/step_forms.h"
#include "plan/yaml_reader.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// In the order of Control.
const std::vector<std::string> kControls{"parameters", "flops",     "dead_twin",
                                         "narrower",   "shallower", "wider"};

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
      forms_.refuse_unknown();
      throw;
    }
    forms_.refuse_unknown();
    return std::move(file_);
  }

 private:
  void read() {
    const YAML::Node root = yaml_.load();
    std::map<std::string, YAML::Node> forms;  // in the order that numbers them, not the file's
    YAML::Node baseline = missing(), controls = missing();
    for (const auto& [key, value] : yaml_.entries(
             root, "the plan",
             {"name", "baseline", "steps", "factorial", "grid", "path", "each", "all_but", "controls"})) {
      if (key == "name") read_name(value);
      if (key == "baseline") baseline.reset(value), file_.baseline = yaml_.whole_number(value, "baseline");
      if (key == "steps") forms_.read_steps(value);
      if (key == "controls") controls.reset(value);
      forms.emplace(key, value);
    }
    if (forms.contains("factorial")) forms_.read_factorial(forms.at("factorial"));
    if (forms.contains("grid")) forms_.read_grid(forms.at("grid"));
    if (forms.contains("path")) forms_.read_path(forms.at("path"));
    if (forms.contains("each")) forms_.read_each(forms.at("each"));
    if (forms.contains("all_but")) forms_.read_all_but(forms.at("all_but"));
    if (file_.name.empty()) yaml_.fail(root, "the key `name` is missing");
    if (file_.steps.empty())
      yaml_.fail(root, "there are no steps; add `steps`, `factorial`, `grid`, `path`, `each` or `all_but`");
    check_reruns();
    check_baseline(root, baseline);
    if (controls.IsDefined()) read_controls(controls);
  }

  static YAML::Node missing() { return YAML::Node(YAML::NodeType::Undefined); }

  void read_name(const YAML::Node& node) {
    file_.name = yaml_.scalar(node, "name");
    if (trim(file_.name).empty() || file_.name.find_first_of("\n\r") != std::string::npos)
      yaml_.fail(node, "name: expected one line of text");
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
    std::int64_t next = forms_.next_number();
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
  StepForms forms_{yaml_, file_};
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

PlanFile read_plan_file(const fs::path& plans_folder, const std::string& name, const std::string& label) {
  const bool is_path = name.find('/') != std::string::npos || name.ends_with(".yaml");
  const fs::path path = is_path ? fs::path(name) : plans_folder / (name + ".yaml");
  std::error_code ignored;
  if (!is_path && (name.empty() || name[0] == '.' || !fs::exists(path, ignored)))
    throw UserError(str(label, " = \"", name, "\": there is no such plan; ", known_plans(plans_folder),
                        "; with a / in it, or .yaml at its end, it is the path of a file"));
  if (name.starts_with('~'))
    throw UserError(str(label, " = \"", name, "\": ~ is not expanded; write the whole path"));
  if (is_path && !fs::exists(path, ignored))
    throw UserError(str(label, " = \"", name, "\": there is no such file",
                        path.is_absolute() ? "" : " in the folder " + fs::current_path(ignored).string(),
                        "; without a / and .yaml it is the name of a plan: ", known_plans(plans_folder)));
  return parse_plan(read_text(path), path.string());
}

}  // namespace kablate
