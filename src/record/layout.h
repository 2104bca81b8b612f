// Every path under results/ is made and taken apart here (FORMAT.md says what stands in the files). Start
// here in record/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// What a trial folder's name says: step2-gate+cross.seed1.ab12cd34ef56
struct TrialName {
  std::int64_t step = 0;
  std::string name;  // the step's
  std::int64_t seed = 1;
  std::string key;  // at least 12 hex digits; the folder's name has the first 12
  bool operator==(const TrialName&) const = default;
};

// The folder's name: only letters, digits and +_.- (anything
// else in the step's name becomes _), at most 160 long.
std::string trial_folder_name(const TrialName& trial);

// The way back; `name` as the folder spells it, `key` 12
// digits long. Empty if this is no trial folder's name.
std::optional<TrialName> parse_trial_folder_name(std::string_view folder);

// What programs that draw curves call the trial: step2-gate+cross.seed1
std::string run_name(const TrialName& trial);

// The files that TensorBoard reads in a run's folder: events.out.tfevents.0000000001.kablate, from 1 on;
// the highest number counts, those before it are empty. The way back is empty for another name.
std::string event_file_name(std::int64_t number);
std::optional<std::int64_t> parse_event_file_name(std::string_view name);

// results/EXPERIMENT/trials/NAME: the files of one trial. Nothing is made by asking for a path.
class TrialFolder {
 public:
  using Path = std::filesystem::path;
  explicit TrialFolder(Path path) : path_(std::move(path)) {}

  const Path& path() const { return path_; }
  Path config() const { return path_ / "config"; }        // every symbol
  Path defconfig() const { return path_ / "defconfig"; }  // what differs from the menu's defaults
  Path key() const { return path_ / "key.txt"; }          // the text whose hash is the key
  Path environment() const { return path_ / "environment.json"; }
  Path metrics() const { return path_ / "metrics.jsonl"; }
  Path log() const { return path_ / "log.txt"; }
  Path checkpoint() const { return path_ / "checkpoint"; }        // a folder: the latest, to go on from
  Path weights() const { return path_ / "weights.safetensors"; }  // the final ones
  Path weights_checksum() const { return path_ / "weights.sha256"; }
  Path tokenizer() const { return path_ / "tokenizer.json"; }
  Path sample() const { return path_ / "sample.txt"; }
  Path summary() const { return path_ / "summary.json"; }
  Path heads() const { return path_ / "heads.json"; }        // written later (heads_record.h)
  Path knockout() const { return path_ / "knockout.json"; }  // likewise (knockout_record.h)
  Path failure() const { return path_ / "failure.json"; }
  Path done() const { return path_ / "DONE"; }

 private:
  Path path_;
};

// results/EXPERIMENT
class ExperimentFolder {
 public:
  using Path = std::filesystem::path;
  explicit ExperimentFolder(Path path) : path_(std::move(path)) {}

  const Path& path() const { return path_; }
  Path plan() const { return path_ / "plan.json"; }
  Path base_config() const { return path_ / "base.config"; }
  Path base_defconfig() const { return path_ / "base.defconfig"; }
  Path threads() const { return path_ / "threads.json"; }
  Path peak() const { return path_ / "peak.json"; }
  Path noise() const { return path_ / "noise.json"; }
  Path judge() const { return path_ / "judge.json"; }
  Path checked() const { return path_ / "checked.json"; }
  Path looks() const { return path_ / "looks.jsonl"; }
  Path audit() const { return path_ / "audit.json"; }
  Path report_markdown() const { return path_ / "report.md"; }
  Path report_page() const { return path_ / "report.html"; }
  Path report_csv() const { return path_ / "report.csv"; }
  Path report_effects() const { return path_ / "report-effects.csv"; }
  // What other programs read, made from trials/ when asked for.
  Path tensorboard() const { return path_ / "tensorboard"; }
  Path wandb() const { return path_ / "wandb"; }
  Path trackio() const { return path_ / "trackio"; }
  // What the sources differed by from their commit, by its SHA-256.
  Path changes(const std::string& sha256) const {
    return path_ / ("changes-" + sha256.substr(0, 12) + ".patch");
  }
  Path slurm() const { return path_ / "slurm"; }  // a folder each submission (cluster/submission.h)
  Path trials() const { return path_ / "trials"; }
  TrialFolder trial(const TrialName& name) const { return TrialFolder(trials() / trial_folder_name(name)); }
  TrialFolder trial(const std::string& folder_name) const { return TrialFolder(trials() / folder_name); }

  // The names of the trial folders that lie there, sorted; others are left out. A listing is remembered
  // while trials/ has the times that it had; what came within its clock's tick may be missed for a second.
  std::vector<std::string> trial_folders() const;
  std::vector<std::string> trial_folders(std::int64_t step, std::int64_t seed) const;  // those of one trial

 private:
  Path path_;
};

// RESULTS/EXPERIMENT_NAME. Throws UserError if the name can't
// be a folder's (empty, with a /, starting with a dot).
ExperimentFolder experiment_folder(const std::filesystem::path& results, const std::string& experiment);

// What a user calls a run or a result folder: the experiment that `path` is, or the trial. Throws UserError
// that says what was expected if it is neither.
ExperimentFolder existing_experiment(const std::filesystem::path& path);
TrialFolder existing_trial(const std::filesystem::path& path);

}  // namespace kablate
