#include "report/run_difference.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/comparison.h"
#include "record/environment.h"
#include "record/reader.h"
#include "stats/paired.h"

namespace kablate {
namespace {

using Real = std::optional<double>;

std::vector<std::string> config_lines(const Settings& a, const Settings& b) {
  const auto before = field_values(a.bind()), after = field_values(b.bind());
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < before.size(); ++i)  // one table of symbols gives both, in one order
    if (before[i].text != after[i].text)
      lines.push_back(str(before[i].symbol, ": ", before[i].text, " -> ", after[i].text));
  return lines;
}

// What stands in the key beside the configuration: its lines' names are no symbols.
std::vector<std::string> key_lines(const TrialFolder& a, const TrialFolder& b) {
  auto lines = key_differences(read_key_text(a), read_key_text(b));
  std::erase_if(lines, [](const std::string& line) { return find_symbol(line.substr(0, line.find(' '))); });
  return lines;
}

std::string text_of(const Real& value, int digits) { return value ? fixed(*value, digits) : "none"; }

void add_value(std::vector<std::string>& lines, const char* name, const Real& a, const Real& b, int digits) {
  if (a == b) return;
  const std::string change = a && b ? str(" (", *b > *a ? "+" : "", shortest(*b - *a), ")") : "";
  lines.push_back(str(name, ": ", text_of(a, digits), " -> ", text_of(b, digits), change));
}

void add_times(std::vector<std::string>& lines, const TrialSummary& a, const TrialSummary& b) {
  const auto add = [&](const char* name, const Real& before, const Real& after) {
    if (before != after) lines.push_back(str(name, ": ", text_of(before, 2), " -> ", text_of(after, 2)));
  };
  add("ms_per_iter", a.ms_per_iter, b.ms_per_iter);
  add("wall_seconds", a.wall_seconds, b.wall_seconds);
}

std::vector<std::string> result_lines(const TrialFolder& a, const TrialFolder& b) {
  std::vector<std::string> lines;
  const auto of_a = finished(a), of_b = finished(b);
  if (const auto parts = compare_loss_logs(a, b))
    lines.push_back(str("loss logs part at iteration ", parts->iteration, ": ", parts->what));
  if (!of_a || !of_b) {
    for (const auto* side : {&a, &b})
      if (!finished(*side))
        lines.push_back(
            str(side->path().string(), " is not finished: ", state_name(read_trial(*side).state)));
    return lines;
  }
  add_value(lines, "val_loss", of_a->val_loss, of_b->val_loss, 6);
  add_value(lines, "train_loss", of_a->train_loss, of_b->train_loss, 6);
  lines.push_back(compare_results(a, *of_a, b, *of_b).weights_equal ? "weights: equal bit for bit"
                                                                    : "weights: not equal");
  add_times(lines, *of_a, *of_b);
  return lines;
}

std::string list_of(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> texts;
  for (const auto number : numbers) texts.push_back(std::to_string(number));
  return texts.empty() ? "none" : join(texts, ",");
}

void add_line(std::vector<std::string>& lines, const char* name, const std::string& a, const std::string& b) {
  if (a != b) lines.push_back(str(name, ": ", a, " -> ", b));
}

std::vector<std::string> plan_lines(const PlanRecord& a, const PlanRecord& b) {
  std::vector<std::string> lines;
  const auto steps = [](const PlanRecord& plan) {
    std::vector<std::int64_t> numbers;
    for (const auto& step : plan.steps) numbers.push_back(step.number);
    return list_of(numbers);
  };
  add_line(lines, "name", a.name, b.name);
  add_line(lines, "baseline", std::to_string(a.baseline), std::to_string(b.baseline));
  add_line(lines, "steps", steps(a), steps(b));
  add_line(lines, "seeds", list_of(a.seeds), list_of(b.seeds));
  for (const auto& step : a.steps) {
    const auto* other = b.find_step(step.number);
    if (other == nullptr) continue;
    const std::string label = str("step ", step.number);
    add_line(lines, (label + " name").c_str(), step.name, other->name);
    add_line(lines, (label + " parameters").c_str(), grouped(step.parameters), grouped(other->parameters));
  }
  if (a.text != b.text) lines.push_back("the plan files' texts differ");
  return lines;
}

// The final losses of a step's finished trials, by seed.
std::map<std::int64_t, double> losses_of(const ExperimentRecord& experiment, std::int64_t step) {
  std::map<std::int64_t, double> losses;
  for (const auto& trial : experiment.trials)
    if (trial.planned.step == step && trial.state == TrialState::kDone && trial.summary->val_loss)
      losses[trial.planned.seed] = *trial.summary->val_loss;
  return losses;
}

std::string mean_text(const std::map<std::int64_t, double>& losses) {
  std::vector<double> values;
  for (const auto& [seed, loss] : losses) values.push_back(loss);
  if (values.empty()) return "none finished";
  return str(fixed(mean_sd(values).mean, 6), " over ", values.size(),
             values.size() == 1 ? " seed" : " seeds");
}

std::vector<std::string> step_lines(const ExperimentRecord& a, const ExperimentRecord& b) {
  std::vector<std::string> lines;
  for (const auto& step : a.plan.steps) {
    if (b.plan.find_step(step.number) == nullptr) continue;
    const auto before = losses_of(a, step.number), after = losses_of(b, step.number);
    std::vector<double> pairs_a, pairs_b;
    for (const auto& [seed, loss] : before)
      if (after.contains(seed)) pairs_a.push_back(loss), pairs_b.push_back(after.at(seed));
    std::string change = "no seed in common";
    if (!pairs_a.empty()) {
      const auto difference = paired_difference(pairs_b, pairs_a);
      change = str("difference ", shortest(difference.mean), " over ", difference.n,
                   difference.n == 1 ? " common seed" : " common seeds");
    }
    lines.push_back(str("step ", step.number, " ", step.name, ": val_loss ", mean_text(before), " -> ",
                        mean_text(after), "; ", change));
  }
  if (lines.empty()) lines.push_back("no step in common");
  return lines;
}

}  // namespace

std::vector<DifferenceSection> trial_differences(const TrialFolder& a, const TrialFolder& b) {
  return {{"configuration", config_lines(read_trial_config(a), read_trial_config(b))},
          {"key, beside the configuration", key_lines(a, b)},
          {"environment", environment_differences(read_environment(a), read_environment(b))},
          {"results", result_lines(a, b)}};
}

std::vector<DifferenceSection> experiment_differences(const ExperimentFolder& a, const ExperimentFolder& b) {
  const auto of_a = read_experiment(a), of_b = read_experiment(b);
  return {{"base configuration", config_lines(read_base_config(a), read_base_config(b))},
          {"plan", plan_lines(of_a.plan, of_b.plan)},
          {"results", step_lines(of_a, of_b)}};
}

}  // namespace kablate
