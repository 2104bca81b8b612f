#include <algorithm>
#include <vector>

#include "base/text.h"
#include "report/columns.h"
#include "report/heads_map.h"
#include "report/pairing.h"
#include "report/parts.h"

namespace kablate {
namespace {

template <typename Value>
double mean_score(const StepHeads& heads, Value value) {
  double sum = 0;
  for (const auto& seed : heads.seeds) sum += value(seed);
  return sum / static_cast<double>(heads.seeds.size());
}

// The step's strongest induction against the baseline's, on sequences of one kind.
std::optional<Difference> change_of(const ExperimentRecord& experiment, const StepHeads& heads) {
  Comparison comparison = compare_trials(experiment, heads.step, experiment.plan.baseline);
  const auto strongest = [&](const TrialRecord& trial) -> std::optional<double> {
    if (!trial.heads || trial.heads->sequences_text() != heads.sequences) return {};
    return trial.heads->most(&HeadScores::induction)->induction;
  };
  std::vector<double> own, other;
  for (const auto& pair : comparison.pairs) {
    const auto a = strongest(*pair.treated), b = strongest(*pair.other);
    if (a && b) own.push_back(*a), other.push_back(*b);
  }
  return own.empty() ? std::nullopt : std::optional(difference_of(comparison, own, other));
}

// Of every arm that the plan has, looked at or not; an arm on several kinds of sequences by the first.
void judge_heads(const ExperimentRecord& experiment, std::vector<StepHeads>& steps) {
  std::vector<StepHeads*> judged;
  std::vector<std::optional<Difference>> family;
  for (auto& heads : steps) {
    const auto* step = experiment.plan.find_step(heads.step);
    const bool first = judged.empty() || judged.back()->step != heads.step;
    if (!step->is_arm() || heads.step == experiment.plan.baseline || !first) continue;
    heads.change = change_of(experiment, heads);
    const bool barred =
        has_diverged(experiment, heads.step) || has_diverged(experiment, experiment.plan.baseline);
    judged.push_back(&heads);
    family.push_back(barred ? std::nullopt : heads.change);
  }
  family.resize(std::max(family.size(), experiment.plan.family()));
  const auto found = verdicts(family, Better::kMore);
  for (std::size_t i = 0; i < judged.size(); ++i) judged[i]->verdict = found[i];
}

}  // namespace

std::int64_t StepHeads::with_induction() const {
  return std::count_if(seeds.begin(), seeds.end(),
                       [](const Seed& seed) { return seed.induction.induction > kInductionHead; });
}

std::vector<StepHeads> heads_of_steps(const ExperimentRecord& experiment) {
  std::vector<StepHeads> steps;
  for (const auto& step : experiment.plan.steps) {
    const auto first = std::ssize(steps);
    for (const auto* trial : finished_trials(experiment, step.number)) {
      if (!trial->heads || trial->heads->heads.empty()) continue;
      const HeadsRecord& record = *trial->heads;
      auto found = std::find_if(steps.begin() + first, steps.end(),
                                [&](const auto& s) { return s.sequences == record.sequences_text(); });
      if (found == steps.end()) {
        steps.push_back({step.number, record.sequences_text(), {}, {}, {}});
        found = steps.end() - 1;
      }
      found->seeds.push_back({trial->planned.seed, *record.most(&HeadScores::induction),
                              *record.most(&HeadScores::previous), record.loss_difference()});
    }
  }
  judge_heads(experiment, steps);
  return steps;
}

TextTable heads_table(const Report& report) {
  TextTable table{{"step", "arm", "seeds", "above .4", "induction", "by seed", "copying", "previous",
                   "loss 2nd - 1st", "change", "95 % interval", "verdict", "sequences"},
                  {true, false, true, true, true, false, true, true, true, true, false, false, false},
                  {}};
  for (const auto& heads : report.heads) {
    const auto* row = report.find_row(heads.step);
    std::vector<std::string> strongest;
    for (const auto& seed : heads.seeds)
      strongest.push_back(
          str(seed.induction.layer, ".", seed.induction.head, " ", score_text(seed.induction.induction)));
    table.rows.push_back(
        {std::to_string(heads.step), row == nullptr ? "" : arm_text(*row), std::to_string(heads.seeds.size()),
         str(heads.with_induction(), " of ", heads.seeds.size()),
         score_text(mean_score(heads, [](const auto& s) { return s.induction.induction; })),
         join(strongest, ", "),
         score_text(mean_score(heads, [](const auto& s) { return s.induction.copying; })),
         score_text(mean_score(heads, [](const auto& s) { return s.previous.previous; })),
         signed_fixed(mean_score(heads, [](const auto& s) { return s.loss_difference; }), 4),
         heads.change ? signed_fixed(heads.change->mean, 4) : "",
         heads.change && heads.change->interval ? interval_text(*heads.change->interval) : "",
         heads.verdict ? heads.verdict->text : "", heads.sequences});
  }
  return table;
}

}  // namespace kablate
