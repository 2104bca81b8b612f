#include "report/pairing.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/samples.h"

namespace kablate {
namespace {

std::string known_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "unknown";
}

// Why two trials of one seed can't stand beside each other, "" if they can.
std::string obstacle(const TrialSummary& a, const TrialSummary& b, std::vector<TermDifference> terms) {
  if (auto why = why_not_comparable(a, b); !why.empty()) return why;
  std::erase_if(terms, [](const TermDifference& term) { return term.kind != TermKind::kMeasured; });
  return terms.empty() ? "" : "their losses are measured on other tokens: " + text_of(terms);
}

void add_value(std::string& values, const std::string& value) {
  const auto known = split(values, ',');
  const auto same = [&](const std::string& text) { return trim(text) == value; };
  if (std::none_of(known.begin(), known.end(), same)) values += ", " + value;
}

// A symbol once, with the values that it has over seeds.
void add_terms(std::vector<TermDifference>& terms, const std::vector<TermDifference>& more) {
  for (const auto& term : more) {
    const auto found = std::find_if(terms.begin(), terms.end(),
                                    [&](const TermDifference& known) { return known.symbol == term.symbol; });
    if (found == terms.end()) {
      terms.push_back(term);
    } else {
      add_value(found->own, term.own);
      add_value(found->other, term.other);
    }
  }
}

struct LeftOut {
  std::int64_t seed;
  std::string why;
};

// A line for each of a few seeds; of many a line for all that have one reason.
void add_notes(const std::vector<LeftOut>& left_out, std::int64_t treated, const std::string& other,
               std::vector<std::string>& notes) {
  constexpr std::size_t kMostNamed = 16;
  std::map<std::string, std::vector<std::int64_t>> by_reason;
  for (const auto& [seed, why] : left_out) {
    if (left_out.size() > kMostNamed)
      by_reason[why].push_back(seed);
    else
      notes.push_back(
          str("Step ", treated, ", seed ", seed, " is not compared with ", other, ": ", why, "."));
  }
  for (const auto& [why, seeds] : by_reason)
    notes.push_back(str("Step ", treated, ", seeds ", list_text(seeds), " are not compared with ", other,
                        ": ", why, "."));
}

}  // namespace

std::vector<const TrialRecord*> finished_trials(const ExperimentRecord& experiment, std::int64_t step) {
  std::vector<const TrialRecord*> trials;
  for (const auto seed : experiment.plan.seeds) {
    const auto* trial = experiment.find_trial(step, seed);
    if (trial != nullptr && trial->state == TrialState::kDone) trials.push_back(trial);
  }
  return trials;
}

bool has_diverged(const ExperimentRecord& experiment, std::int64_t step) {
  return std::any_of(experiment.plan.seeds.begin(), experiment.plan.seeds.end(), [&](std::int64_t seed) {
    const auto* trial = experiment.find_trial(step, seed);
    return trial != nullptr && trial->state == TrialState::kDiverged;
  });
}

bool comparable(const TrialSummary& a, const TrialSummary& b) { return why_not_comparable(a, b).empty(); }

std::string why_not_comparable(const TrialSummary& a, const TrialSummary& b) {
  if (a.ranks.value_or(1) != b.ranks.value_or(1))
    return str(a.ranks.value_or(1), " ranks against ", b.ranks.value_or(1));
  if (a.threads != b.threads || a.device != b.device)
    return str(known_text(a.threads), " threads on ", a.device, " against ", known_text(b.threads), " on ",
               b.device);
  for (const auto* side : {&a, &b})
    if (side->arithmetic.find('+') != std::string::npos)
      return str("one of them went on with another arithmetic than it began with, on ", side->host);
  if (a.arithmetic == b.arithmetic) return "";
  return str("their arithmetic differs (processor, libraries or the variables that these read), on ", a.host,
             " and on ", b.host, "; `kablate diff` names what does");
}

Comparison compare_trials(const ExperimentRecord& experiment, std::int64_t treated, std::int64_t other,
                          std::vector<std::string>* notes) {
  Comparison result;
  std::vector<LeftOut> left_out;
  const auto& judged = measures().front();
  for (const auto* trial : finished_trials(experiment, treated)) {
    const auto* partner = experiment.find_trial(other, trial->planned.seed);
    if (partner == nullptr || partner->state != TrialState::kDone) continue;
    const auto &a = *trial->summary, &b = *partner->summary;
    if (!(a.*judged.value) || !(b.*judged.value)) continue;
    const auto terms = term_differences(trial->key_text, partner->key_text);
    const auto why = obstacle(a, b, terms);
    if (why.empty()) {
      result.pairs.push_back({trial, partner});
      add_terms(result.terms, terms);
    } else {
      left_out.push_back({trial->planned.seed, why});
    }
  }
  if (notes != nullptr)
    add_notes(left_out, treated, other == experiment.plan.baseline ? "the baseline" : str("step ", other),
              *notes);
  result.paired = are_paired(result.terms, experiment.plan.about) &&
                  std::all_of(result.pairs.begin(), result.pairs.end(), [](const TrialPair& pair) {
                    return other_tokens(*pair.treated, *pair.other).empty();
                  });
  return result;
}

std::string load_of(const TrialSummary& summary) {
  if (!summary.cpu_share || *summary.cpu_share >= kFreeShare) return "";
  return str("seed ", summary.seed, " had its core for ", fixed(100 * *summary.cpu_share, 0),
             " % of the time");
}

bool times_comparable(const Comparison& comparison) {
  return std::all_of(comparison.pairs.begin(), comparison.pairs.end(), [](const TrialPair& pair) {
    const auto &a = *pair.treated->summary, &b = *pair.other->summary;
    return load_of(a).empty() && load_of(b).empty() && a.beside == b.beside && a.host == b.host;
  });
}

std::vector<double> values_of(const Comparison& comparison, const TrialRecord* TrialPair::*side,
                              const Measure& measure) {
  std::vector<double> values;
  for (const auto& pair : comparison.pairs) {
    const auto& value = (*(pair.*side)->summary).*measure.value;
    if (!value) return {};
    values.push_back(*value);
  }
  return values;
}

std::optional<Difference> difference_of(const Comparison& comparison, const Measure& measure) {
  const auto treated = values_of(comparison, &TrialPair::treated, measure);
  const auto other = values_of(comparison, &TrialPair::other, measure);
  if (treated.empty() || other.empty()) return {};
  return difference_of(comparison, treated, other);
}

Difference difference_of(const Comparison& comparison, const std::vector<double>& treated,
                         const std::vector<double>& other) {
  return comparison.paired ? paired_difference(treated, other) : unpaired_difference(treated, other);
}

}  // namespace kablate
