#include "report/merge.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/comparison.h"
#include "report/pairing.h"

namespace kablate {
namespace {

// Lines of a key that say by what a trial was made. What else stands there is the arm, its data or its seed.
const std::set<std::string> kMadeBy{"threads",  "ranks",   "device",   "kernels",
                                    "LibTorch", "sources", "compiler", "flags"};
const std::set<std::string> kOfTheSeed{"seed", "DATA_SEED"};

// Of a step in plan.json: by formula, and other on another device.
constexpr std::string_view kExpectedMemory = "peak_tensor_bytes";

using Phrases = std::vector<std::string>;

Phrases key_phrases(const TrialRecord& a, const TrialRecord& b, bool made_by) {
  auto phrases = key_differences(a.key_text, b.key_text);
  std::erase_if(phrases, [&](const std::string& phrase) {
    const auto name = phrase.substr(0, phrase.find(' '));
    return kMadeBy.contains(name) != made_by || (!made_by && kOfTheSeed.contains(name));
  });
  return phrases;
}

std::string first_few(const Phrases& phrases) {
  constexpr std::size_t kShown = 3;
  const Phrases first(phrases.begin(), phrases.begin() + std::min(kShown, std::ssize(phrases) + 0UL));
  return join(first, ", ") +
         (phrases.size() > kShown ? str(" and ", phrases.size() - kShown, " more") : std::string());
}

bool has_ended(const TrialRecord& trial) {
  return trial.state == TrialState::kDone || trial.state == TrialState::kDiverged;
}

// Which of two records of a trial says more.
int rank(const TrialRecord& trial) {
  if (has_ended(trial)) return trial.summary ? 4 : 3;
  return trial.state == TrialState::kFailed ? 2 : trial.state == TrialState::kInterrupted ? 1 : 0;
}

class Merger {
 public:
  explicit Merger(const std::vector<MergeSource>& sources) : sources_(sources) {}

  MergedExperiment run() {
    for (const auto& source : sources_) {
      records_.push_back(read_experiment(source.folder));
      bases_.push_back(read_base_config(source.folder).bind());
      merged_.unplanned.push_back(std::ssize(records_.back().others));
    }
    merged_.plan = records_.front().plan;
    for (std::size_t i = 1; i < sources_.size(); ++i) check_plan(i), check_base(i), add_plan(i);
    for (std::size_t i = 0; i < sources_.size(); ++i)
      for (const auto& trial : records_[i].trials) add_trial(trial, i);
    check_steps();
    check_pairs();
    settle_plan();
    return std::move(merged_);
  }

 private:
  UserError refusal(std::size_t a, std::size_t b, const std::string& what) const {
    return UserError(str(sources_[a].name, " and ", sources_[b].name, ": ", what));
  }

  std::string label(const PlannedTrial& trial) const {
    const auto* step = merged_.plan.find_step(trial.step);
    return str("step ", trial.step, step == nullptr ? "" : " " + step->name, ", seed ", trial.seed);
  }

  void check_plan(std::size_t i) const {
    const auto &a = records_.front().plan, &b = records_[i].plan;
    const auto refuse = [&](const std::string& what) {
      return refusal(0, i, "are not of one plan: " + what);
    };
    if (a.name != b.name) throw refuse(str("its name is ", a.name, " and ", b.name));
    if (a.text != b.text) throw refuse("the plan files' texts differ (`kablate diff` shows the plans)");
    if (a.baseline != b.baseline) throw refuse(str("the baseline is step ", a.baseline, " and ", b.baseline));
    if (a.arms != b.arms) throw refuse(str("it has ", a.arms, " and ", b.arms, " arms"));
    if (a.factors != b.factors)
      throw refuse(str("its factors are ", join(a.factors, ", "), " and ", join(b.factors, ", ")));
  }

  // SEEDS, THREADS and what else only says where and how often to run may differ.
  void check_base(std::size_t i) const {
    const auto before = field_values(bases_.front()), after = field_values(bases_[i]);
    Phrases phrases;
    for (std::size_t k = 0; k < before.size(); ++k)
      if (before[k].scope == Scope::kNumbers && before[k].text != after[k].text)
        phrases.push_back(str(before[k].symbol, " ", before[k].text, " -> ", after[k].text));
    if (!phrases.empty())
      throw refusal(0, i,
                    "their base configurations, and so those of every step, differ: " + first_few(phrases));
  }

  void add_plan(std::size_t i) {
    auto& plan = merged_.plan;
    const auto& other = records_[i].plan;
    for (const auto& step : other.steps) {
      const auto* known = plan.find_step(step.number);
      if (known == nullptr) {
        plan.steps.push_back(step);
        continue;
      }
      const Json a = to_json(*known), b = to_json(step);
      for (const auto& [name, value] : a.items())
        if (name != kExpectedMemory && value != b.at(name))
          throw refusal(source_of_step(step.number), i,
                        str("step ", step.number, " ", known->name, " is not the same: its ", name, " is ",
                            value.dump(), " and ", b.at(name).dump()));
    }
    const auto add_to = [](auto& all, const auto& more) {
      for (const auto& each : more)
        if (std::ranges::find(all, each) == all.end()) all.push_back(each);
    };
    add_to(plan.seeds, other.seeds), add_to(plan.about, other.about), add_to(plan.notes, other.notes);
  }

  std::size_t source_of_step(std::int64_t step) const {
    std::size_t i = 0;
    while (records_[i].plan.find_step(step) == nullptr) ++i;
    return i;
  }

  void add_trial(const TrialRecord& trial, std::size_t source) {
    const auto [place, is_new] =
        trials_.try_emplace({trial.planned.seed, trial.planned.step}, MergedTrial{trial, source, {}});
    auto& known = place->second;
    if (is_new) return;
    if (has_ended(known.record) && has_ended(trial)) {
      check_equal(known, trial, source);
      known.equal_ones.push_back(source);
      if (rank(trial) > rank(known.record))
        std::swap(known.source, known.equal_ones.back()), known.record = trial;
    } else if (rank(trial) > rank(known.record)) {
      known = {trial, source, {}};
    }
  }

  void check_equal(const MergedTrial& known, const TrialRecord& trial, std::size_t source) const {
    const auto& other = known.record;
    const auto refuse = [&](const std::string& what) {
      return refusal(known.source, source,
                     str(label(trial.planned), " is in both and ", what,
                         "; which is right no merge can say: take the trial's folder out of a copy of one"));
    };
    if (other.planned.folder != trial.planned.folder)
      throw refuse("was not made by the same: " + first_few(key_differences(other.key_text, trial.key_text)));
    if (other.state != trial.state)
      throw refuse(
          str("is ", state_name(other.state), " in the one, ", state_name(trial.state), " in the other"));
    if (!other.summary || !trial.summary) return;
    const auto comparison =
        compare_results(sources_[known.source].folder.trial(other.planned.folder), *other.summary,
                        sources_[source].folder.trial(trial.planned.folder), *trial.summary);
    if (!comparison.equal()) throw refuse("came out otherwise: " + comparison.describe());
  }

  // That a step is one arm in all sources, by what its trials were trained with, not by what was planned.
  void check_steps() const {
    std::map<std::int64_t, const MergedTrial*> first;
    for (const auto& [place, trial] : trials_) {
      if (trial.record.key_text.empty()) continue;
      const auto* other = first.try_emplace(place.second, &trial).first->second;
      const auto found = key_phrases(other->record, trial.record, /*made_by=*/false);
      if (!found.empty())
        throw refusal(other->source, trial.source,
                      str(label(trial.record.planned), " has another configuration than seed ",
                          other->record.planned.seed, ": ", first_few(found)));
    }
  }

  static bool from_one_source(const MergedTrial& a, const MergedTrial& b) {
    const auto has = [](const MergedTrial& trial, std::size_t source) {
      return trial.source == source || std::ranges::find(trial.equal_ones, source) != trial.equal_ones.end();
    };
    if (has(b, a.source)) return true;
    return std::ranges::any_of(a.equal_ones, [&](std::size_t source) { return has(b, source); });
  }

  // Within a seed every trial may come to stand beside every other: arm and baseline, stair and stair, cells.
  void check_pairs() const {
    for (auto a = trials_.begin(); a != trials_.end(); ++a)
      for (auto b = std::next(a); b != trials_.end() && b->first.first == a->first.first; ++b)
        if (a->second.record.summary && b->second.record.summary && !from_one_source(a->second, b->second))
          check_pair(a->second, b->second);
  }

  void check_pair(const MergedTrial& a, const MergedTrial& b) const {
    auto why = why_not_comparable(*a.record.summary, *b.record.summary);
    if (const auto found = key_phrases(a.record, b.record, /*made_by=*/true); why.empty() && !found.empty())
      why = "they were not made by the same: " + first_few(found);
    if (!why.empty())
      throw refusal(
          a.source, b.source,
          str(label(b.record.planned), " of the second can't be paired with step ", a.record.planned.step,
              " of the first: ", why, "; train all steps of a seed in one place"));
  }

  void settle_plan() {
    auto& plan = merged_.plan;
    std::ranges::sort(plan.seeds), std::ranges::sort(plan.about);
    std::ranges::sort(plan.steps, {}, &PlannedStep::number);
    plan.trials.clear();
    for (auto& [place, trial] : trials_) {  // by seed, then by step: as a plan is run
      plan.trials.push_back(trial.record.planned);
      merged_.trials.push_back(std::move(trial));
    }
    plan.notes.push_back(origin_note());
    for (const auto& source : sources_)
      if (std::error_code none; !std::filesystem::exists(source.folder.audit(), none))
        plan.notes.push_back(str(source.name, " has no audit.json: what gates found of its trials is lost."));
  }

  // Whose the trials are, and what the sources were not made by alike.
  std::string origin_note() const {
    Phrases parts;
    std::set<std::string> unlike;
    const TrialRecord* first = nullptr;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      std::set<std::int64_t> seeds;
      for (const auto& trial : merged_.trials) {
        if (trial.source != i || !has_ended(trial.record)) continue;
        seeds.insert(trial.record.planned.seed);
        if (first == nullptr) first = &trial.record;
        for (const auto& phrase : key_phrases(*first, trial.record, /*made_by=*/true)) unlike.insert(phrase);
        if (first->summary && trial.record.summary &&
            first->summary->arithmetic != trial.record.summary->arithmetic)
          unlike.insert("arithmetic");
      }
      if (!seeds.empty())
        parts.push_back(str(seeds.size() == 1 ? "seed " : "seeds ", list_text({seeds.begin(), seeds.end()}),
                            " of ", sources_[i].name));
    }
    std::string note = str("Merged from ", sources_.size(), " results: ", join(parts, "; "), ".");
    if (!unlike.empty())
      note += str(" They were not made alike (", first_few({unlike.begin(), unlike.end()}),
                  "), but within each seed.");
    return note;
  }

  const std::vector<MergeSource>& sources_;
  std::vector<ExperimentRecord> records_;
  std::vector<Config> bases_;
  std::map<std::pair<std::int64_t, std::int64_t>, MergedTrial> trials_;  // by seed and step
  MergedExperiment merged_;
};

}  // namespace

MergedExperiment merge_experiments(const std::vector<MergeSource>& sources) { return Merger(sources).run(); }

}  // namespace kablate
