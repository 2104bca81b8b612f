#include "report/run_difference.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/comparison.h"
#include "record/environment.h"
#include "record/reader.h"
#include "report/pairing.h"
#include "report/table.h"

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

std::string real_text(const Real& value, int digits) { return value ? fixed(*value, digits) : "none"; }

void add_change(std::vector<std::string>& lines, const char* name, const Real& a, const Real& b, int digits) {
  if (a == b) return;
  const std::string change = a && b ? str(" (", signed_fixed(*b - *a, digits), ")") : "";
  lines.push_back(str(name, ": ", real_text(a, digits), " -> ", real_text(b, digits), change));
}

void add_times(std::vector<std::string>& lines, const TrialSummary& a, const TrialSummary& b) {
  const auto add = [&](const char* name, const Real& before, const Real& after) {
    if (before != after) lines.push_back(str(name, ": ", real_text(before, 2), " -> ", real_text(after, 2)));
  };
  add("ms_per_iter", a.ms_per_iter, b.ms_per_iter);
  add("wall_seconds", a.wall_seconds, b.wall_seconds);
}

std::vector<TermDifference> measured_differences(const std::string& key_a, const std::string& key_b) {
  auto terms = term_differences(key_b, key_a);
  std::erase_if(terms, [](const TermDifference& term) { return term.kind != TermKind::kMeasured; });
  return terms;
}

// Their difference only where both are measured on the same tokens.
void add_losses(std::vector<std::string>& lines, const TrialFolder& a, const TrialSummary& of_a,
                const TrialFolder& b, const TrialSummary& of_b) {
  const auto terms = measured_differences(read_key_text(a), read_key_text(b));
  for (const auto& measure : measures()) {
    const Real before = of_a.*measure.value, after = of_b.*measure.value;
    if (!before && !after) continue;
    if (terms.empty())
      add_change(lines, measure.name.c_str(), before, after, 6);
    else
      lines.push_back(str(measure.name, ": ", real_text(before, 6), " and ", real_text(after, 6),
                          ", measured on other tokens: ", text_of(terms)));
  }
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
  add_losses(lines, a, *of_a, b, *of_b);
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

using TrialBySeed = std::map<std::int64_t, const TrialRecord*>;  // by seed

// A step's finished trials that have a loss.
TrialBySeed finished_by_seed(const ExperimentRecord& experiment, std::int64_t step) {
  TrialBySeed trials;
  for (const auto* trial : finished_trials(experiment, step))
    if (trial->summary->val_loss) trials[trial->planned.seed] = trial;
  return trials;
}

std::vector<double> seed_losses(const TrialBySeed& trials) {
  std::vector<double> values;
  for (const auto& [seed, trial] : trials) values.push_back(*trial->summary->val_loss);
  return values;
}

// " (seed 2 damaged: weights.safetensors …)": the trials of a step that no mean has, but for those that just
// have not run.
std::string left_out(const ExperimentRecord& experiment, std::int64_t step) {
  std::string text;
  for (const auto& trial : experiment.trials) {
    if (trial.planned.step != step || trial.state == TrialState::kDone || trial.state == TrialState::kMissing)
      continue;
    text += str(text.empty() ? " (" : "; ", "seed ", trial.planned.seed, " ", state_name(trial.state),
                trial.reason.empty() ? "" : ": " + trial.reason);
  }
  return text.empty() ? "" : text + ")";
}

std::string mean_text(const TrialBySeed& trials, const ExperimentRecord& experiment, std::int64_t step) {
  if (trials.empty()) return "none finished" + left_out(experiment, step);
  const auto loss = mean_sd(seed_losses(trials));
  return str(fixed(loss.mean, 4), loss.sd ? " ± " + fixed(*loss.sd, 4) : "", " over ", loss.n,
             loss.n == 1 ? " seed" : " seeds", left_out(experiment, step));
}

// A difference with two digits of what it is uncertain by, and four where that is not known.
std::string noisy_text(const Difference& difference) {
  constexpr int kUnknown = 4, kMost = 12;
  const double error = difference.standard_error.value_or(0);
  const int digits =
      error > 0 ? std::clamp(1 - static_cast<int>(std::floor(std::log10(error))), 1, kMost) : kUnknown;
  const auto& interval = difference.interval;
  const std::string range = interval ? str(" [", signed_fixed(interval->low, digits), ", ",
                                           signed_fixed(interval->high, digits), "]")
                                     : "";
  return signed_fixed(difference.mean, digits) + range;
}

// What keeps the trials of a step apart in two experiments, "" if nothing does.
std::string not_comparable(const PlannedStep& a, const PlannedStep& b, const TrialBySeed& of_a,
                           const TrialBySeed& of_b) {
  if (a.name != b.name) return str("it is ", a.name, " in a and ", b.name, " in b");
  if (of_a.empty() || of_b.empty()) return "";
  const auto terms = measured_differences(of_a.begin()->second->key_text, of_b.begin()->second->key_text);
  return terms.empty() ? "" : "their losses are measured on other tokens: " + text_of(terms);
}

// b minus a over the seeds that both have finished, paired where both were trained on the same terms.
std::string loss_change_text(const TrialBySeed& of_a, const TrialBySeed& of_b) {
  Comparison common;
  std::vector<TermDifference> terms;
  std::string why;  // the first reason that keeps two trials of a seed apart
  for (const auto& [seed, trial] : of_b) {
    const auto partner = of_a.find(seed);
    if (partner == of_a.end()) continue;
    if (const auto obstacle = why_not_comparable(*partner->second->summary, *trial->summary);
        !obstacle.empty()) {
      if (why.empty()) why = str("seed ", seed, " is not compared: ", obstacle);
      continue;
    }
    if (common.empty()) terms = term_differences(trial->key_text, partner->second->key_text);
    common.pairs.push_back({trial, partner->second});
  }
  if (common.empty()) return why.empty() ? "no seed is finished in both" : why;
  common.paired = are_paired(terms, {});
  const auto difference = *difference_of(common, measures().front());
  const std::string over = str(" over ", difference.n, difference.n == 1 ? " common seed" : " common seeds");
  const bool equal = std::all_of(common.pairs.begin(), common.pairs.end(), [](const TrialPair& pair) {
    return pair.treated->summary->val_loss == pair.other->summary->val_loss;
  });
  if (!why.empty()) why = "; " + why;
  if (equal) return "equal" + over + why;
  return str("difference ", noisy_text(difference), over,
             common.paired ? "" : str(", unpaired (Welch): ", text_of(terms)), why);
}

std::vector<std::string> step_lines(const ExperimentRecord& a, const ExperimentRecord& b) {
  std::vector<std::string> lines;
  for (const auto& step : a.plan.steps) {
    const auto* other = b.plan.find_step(step.number);
    if (other == nullptr) continue;
    const auto before = finished_by_seed(a, step.number), after = finished_by_seed(b, step.number);
    const auto why = not_comparable(step, *other, before, after);
    lines.push_back(str("step ", step.number, " ", step.name, ": val_loss ",
                        mean_text(before, a, step.number), " -> ", mean_text(after, b, step.number), "; ",
                        why.empty() ? loss_change_text(before, after) : "not comparable: " + why));
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
  const auto imported = [](const ExperimentFolder& folder) {
    return std::vector{folder.path().string() + " was imported: it has no configuration"};
  };
  return {
      {"base configuration", of_a.plan.imported   ? imported(a)
                             : of_b.plan.imported ? imported(b)
                                                  : config_lines(read_base_config(a), read_base_config(b))},
      {"plan", plan_lines(of_a.plan, of_b.plan)},
      {"results", step_lines(of_a, of_b)}};
}

}  // namespace kablate
