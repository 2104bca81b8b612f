#include "report/merge.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/comparison.h"
#include "report/merge_pairs.h"

namespace kablate {
namespace {

// Of a step in plan.json: by formula, and other on another device.
constexpr std::string_view kExpectedMemory = "peak_tensor_bytes";

using Phrases = std::vector<std::string>;

std::string first_few(const Phrases& phrases) {
  constexpr std::size_t kShown = 3;
  const Phrases first(phrases.begin(),
                      phrases.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, phrases.size())));
  return join(first, ", ") +
         (phrases.size() > kShown ? str(" and ", phrases.size() - kShown, " more") : std::string());
}

// Which of two records of a trial says more.
int rank(const TrialRecord& trial) {
  if (has_ended(trial)) return trial.summary ? 4 : 3;
  return trial.state == TrialState::kFailed ? 2 : trial.state == TrialState::kInterrupted ? 1 : 0;
}

// A planned trial as one of the sources has it.
struct Found {
  const TrialRecord* record;
  std::size_t source;
};

// By step; the same trial of each source that has it.
using OfSeed = std::map<std::int64_t, std::vector<Found>>;

class Merger {
 public:
  explicit Merger(const std::vector<MergeSource>& sources) : sources_(sources) {}

  MergedExperiment run() {
    for (const auto& source : sources_) {
      records_.push_back(read_experiment(source.folder));
      for (auto& trial : records_.back().trials) take_as_surveyed(trial, source.tree);
      bases_.push_back(read_base_config(source.folder).bind());
    }
    merged_.plan = records_.front().plan;
    for (std::size_t i = 1; i < sources_.size(); ++i) check_plan(i), check_base(i), add_plan(i);
    for (std::size_t i = 0; i < sources_.size(); ++i)
      for (const auto& trial : records_[i].trials) add_trial(trial, i);
    check_steps();
    for (const auto& [seed, trials] : found_) choose(trials);
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

  // What has ended since its files were looked through is not taken yet.
  static void take_as_surveyed(TrialRecord& trial, const PortableTree& tree) {
    const auto has = [&](const TrialFolder::Path& file) {
      const auto name = "trials/" + trial.planned.folder + "/" + file.filename().string();
      return std::ranges::binary_search(tree.files, name);
    };
    const TrialFolder folder(trial.planned.folder);
    if (!has_ended(trial) || has(folder.done())) return;
    if (trial.state == TrialState::kDiverged && has(folder.failure())) return;
    trial.state = TrialState::kRunning;
    trial.summary.reset();
  }

  void add_trial(const TrialRecord& trial, std::size_t source) {
    auto& all = found_[trial.planned.seed][trial.planned.step];
    if (all.empty()) {
      all.push_back({&trial, source});
    } else if (has_ended(*all.front().record) && has_ended(trial)) {
      check_equal(all.front(), trial, source);
      all.push_back({&trial, source});
    } else if (rank(trial) > rank(*all.front().record)) {
      all = {{&trial, source}};
    }
  }

  void check_equal(const Found& known, const TrialRecord& trial, std::size_t source) const {
    const auto& other = *known.record;
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
    std::map<std::int64_t, Found> first;
    for (const auto& [seed, trials] : found_)
      for (const auto& [step, all] : trials) {
        const auto& trial = all.front();
        if (trial.record->key_text.empty()) continue;
        const auto& other = first.try_emplace(step, trial).first->second;
        const auto unlike = arm_differences(*other.record, *trial.record);
        if (!unlike.empty())
          throw refusal(other.source, trial.source,
                        str(label(trial.record->planned), " has another configuration than seed ",
                            other.record->planned.seed, ": ", first_few(unlike)));
      }
  }

  // The sources that have trials of the seed, that of most ended ones first.
  static std::vector<std::size_t> sources_of(const OfSeed& trials) {
    std::map<std::size_t, std::int64_t> ended;
    for (const auto& [step, all] : trials)
      for (const auto& each : all) ended[each.source] += has_ended(*each.record);
    std::vector<std::size_t> order;
    for (const auto& [source, count] : ended) order.push_back(source);
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t source) { return ended.at(source); });
    return order;
  }

  // Each trial as the first source in `order` has it, of those that say most of it.
  static std::vector<MergedTrial> as_chosen(const OfSeed& trials, const std::vector<std::size_t>& order) {
    std::vector<MergedTrial> chosen;
    for (const auto& [step, all] : trials) {
      const auto place = [&](const Found& each) {
        return std::pair(-rank(*each.record), std::ranges::find(order, each.source));
      };
      const auto& best = *std::ranges::min_element(all, {}, place);
      chosen.push_back({*best.record, best.source, {}});
      for (const auto& each : all)
        if (each.source != best.source) chosen.back().equal_ones.push_back(each.source);
    }
    return chosen;
  }

  // Of the first two that are no pair: within a seed every trial may come to stand beside every
  // other: arm and baseline, stair and stair, cells. What one source has mixed is its own, if it must be.
  std::optional<UserError> no_pair(const std::vector<MergedTrial>& trials, bool of_one_source) const {
    for (std::size_t i = 0; i < trials.size(); ++i)
      for (std::size_t k = i + 1; k < trials.size(); ++k) {
        const auto &a = trials[i], &b = trials[k];
        if (!a.record.summary || !b.record.summary || (a.source == b.source && !of_one_source)) continue;
        if (const auto why = why_no_pair(a.record, b.record); !why.empty())
          return refusal(
              a.source, b.source,
              str(label(b.record.planned), " of the second can't be paired with step ", a.record.planned.step,
                  " of the first: ", why, "; train all steps of a seed in one place"));
      }
    return {};
  }

  // Of a trial that several have the files are taken so that all of its seed are pairs, from one source if it
  // has them. Whichever is named first, the same ones are accepted.
  void choose(const OfSeed& trials) {
    const auto most = sources_of(trials);
    for (const bool of_one_source : {true, false})
      for (const auto source : most) {
        auto order = most;
        std::ranges::stable_partition(order, [&](std::size_t each) { return each == source; });
        auto chosen = as_chosen(trials, order);
        if (no_pair(chosen, of_one_source)) continue;
        for (auto& trial : chosen) merged_.trials.push_back(std::move(trial));
        return;
      }
    throw *no_pair(as_chosen(trials, most), /*of_one_source=*/false);
  }

  void settle_plan() {
    auto& plan = merged_.plan;
    std::ranges::sort(plan.seeds), std::ranges::sort(plan.about);
    std::ranges::sort(plan.steps, {}, &PlannedStep::number);
    plan.trials.clear();
    for (const auto& trial : merged_.trials)  // by seed, then by step: as a plan is run
      plan.trials.push_back(trial.record.planned);
    plan.notes.push_back(origin_note(sources_, merged_.trials));
    for (const auto& source : sources_)
      if (std::error_code none; !std::filesystem::exists(source.folder.audit(), none))
        plan.notes.push_back(str(source.name, " has no audit.json: what gates found of its trials is lost."));
  }

  const std::vector<MergeSource>& sources_;
  std::vector<ExperimentRecord> records_;
  std::vector<Config> bases_;
  std::map<std::int64_t, OfSeed> found_;
  MergedExperiment merged_;
};

}  // namespace

MergedExperiment merge_experiments(const std::vector<MergeSource>& sources) { return Merger(sources).run(); }

}  // namespace kablate
