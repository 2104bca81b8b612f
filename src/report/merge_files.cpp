#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "record/gate_check.h"
#include "record/looks.h"
#include "record/peak.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/merge.h"
#include "report/merge_noise.h"
#include "report/merge_pairs.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

using Sources = std::vector<MergeSource>;

// The first one's, with the seeds and steps of all.
Config merged_base(const Sources& sources, const PlanRecord& plan) {
  constexpr const char* kOrigin = "merge";
  auto settings = read_base_config(sources.front().folder);
  settings.set("SEEDS", list_text(plan.seeds), kOrigin);
  std::vector<std::int64_t> steps;
  for (const auto& step : plan.steps) steps.push_back(step.number);
  if (read_plan(sources.front().folder).steps.size() != steps.size())
    settings.set("RA_MLA_ABLATION_STEPS", list_text(steps), kOrigin);
  return settings.bind();
}

// Of two sources' word on a gate the first one's stands: its figures may hang on the processor, whether it is
// passed may not.
std::vector<GateCheck> merged_gates(const Sources& sources) {
  std::vector<GateCheck> all;
  std::vector<std::string> whose;
  for (const auto& source : sources)
    for (const auto& check : read_audit(source.folder)) {
      const auto known = std::ranges::find_if(
          all, [&](const GateCheck& each) { return each.step == check.step && each.check == check.check; });
      if (known == all.end()) {
        all.push_back(check), whose.push_back(source.name);
      } else if (known->passed != check.passed) {
        const auto& failed = check.passed ? *known : check;
        throw UserError(str(whose[static_cast<std::size_t>(known - all.begin())], " and ", source.name,
                            ": the gates do not agree: step ", check.step, " passed ", check.check,
                            " in the one and not in the other (", failed.detail, ")"));
      }
    }
  return all;
}

// A machine's first one stands, as in one experiment.
std::vector<Peak> merged_peaks(const Sources& sources) {
  std::vector<Peak> all;
  for (const auto& source : sources)
    for (const auto& peak : read_peaks(source.folder))
      if (std::ranges::none_of(all, [&](const Peak& known) { return known.is_of(peak); }))
        all.push_back(peak);
  return all;
}

// Where they do not agree the next run chooses anew.
void write_merged_threads(const Sources& sources, const ExperimentFolder& out) {
  std::optional<std::int64_t> threads;
  fs::path file;
  for (const auto& source : sources) {
    const auto own = read_threads(source.folder);
    if (!own) continue;
    if (threads && threads != own) return log_info("threads.json is left out: the sources' are not the same");
    if (!threads) threads = own, file = source.folder.threads();
  }
  if (threads) fs::copy_file(file, out.threads());
}

bool is_within(const std::string& name, const std::string& folder) { return name.starts_with(folder + "/"); }

void copy_trial(const Sources& sources, const MergedTrial& trial, const ExperimentFolder& out) {
  const auto& source = sources[trial.source];
  const auto& folder = trial.record.planned.folder;
  const auto place = out.trials().filename() / folder;
  for (const auto& name : source.tree.files)
    if (is_within(name, place.string())) copy_below(source.folder.path(), out.path(), name);
  for (const auto i : trial.equal_ones)  // found later, of the same weights
    for (const auto& file : {out.trial(folder).heads(), out.trial(folder).knockout()}) {
      const auto name = (place / file.filename()).string();
      if (std::ranges::find(sources[i].tree.files, name) != sources[i].tree.files.end())
        copy_below(sources[i].folder.path(), out.path(), name);
    }
}

void copy_changes(const Sources& sources, const ExperimentFolder& out) {
  for (const auto& source : sources)
    for (const auto& name : source.tree.files)
      if (name.starts_with("changes-")) copy_below(source.folder.path(), out.path(), name);
}

// Of a source, on one line: what lies there and not in the merged folder.
void name_left_out(const MergeSource& source, const ExperimentFolder& out) {
  std::vector<std::string> names;
  std::set<std::string> trials;
  for (const auto& name : source.tree.files) {
    const bool of_trial = is_within(name, out.trials().filename().string());
    const auto folder = fs::path(name).parent_path();
    if (of_trial && !fs::exists(out.path() / folder)) trials.insert(folder.string());
    if (!of_trial && !fs::exists(out.path() / name)) names.push_back(name);
  }
  for (const auto& path :
       {source.folder.tensorboard(), source.folder.wandb(), source.folder.trackio(), source.folder.checked()})
    if (fs::exists(path)) names.push_back(path.filename().string());
  if (!trials.empty()) names.push_back(str(trials.size(), " folders of trials/ that the plan does not name"));
  if (!names.empty()) log_info(str(source.name, ": left out: ", join(names, ", ")));
}

}  // namespace

void write_merged(const std::vector<MergeSource>& sources, const MergedExperiment& merged,
                  const ExperimentFolder& out) {
  const auto gates = merged_gates(sources);
  write_experiment(out, merged.plan, merged_base(sources, merged.plan));
  for (const auto& trial : merged.trials) copy_trial(sources, trial, out);
  copy_changes(sources, out);
  if (!gates.empty()) write_audit(out, gates);
  if (const auto peaks = merged_peaks(sources); !peaks.empty()) write_peaks(out, peaks);
  write_merged_noise(sources, merged, out);
  write_merged_threads(sources, out);
  std::vector<ExperimentFolder> folders;
  for (const auto& source : sources) folders.push_back(source.folder);
  if (const auto looks = joined_looks(folders); !looks.empty()) write_file(out.looks(), looks);
  if (std::ranges::any_of(sources, [](const auto& source) { return fs::exists(source.folder.judge()); }))
    log_info("judge.json is left out: it is of one source's trials; `kablate judge` writes it anew");
  for (const auto& source : sources) name_left_out(source, out);
}

void check_merged(const MergedExperiment& merged, const ExperimentFolder& out) {
  const auto refuse = [](const std::string& what) {
    return WorkError(str(what,
                         ": a source was changed while it was merged, or a disk is at fault; the same "
                         "command begins anew"));
  };
  if (const auto tree = portable_tree(out, /*with_checkpoints=*/false); !tree.faults.empty())
    throw refuse(tree.faults.front());
  const auto states = trial_states(out, merged.plan);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto& trial = merged.trials[i].record;
    if (states[i] != trial.state && (has_ended(trial) || !is_to_come(states[i])))
      throw refuse(str("step ", trial.planned.step, ", seed ", trial.planned.seed, " is ",
                       state_name(states[i]), " and was ", state_name(trial.state)));
  }
}

}  // namespace kablate
