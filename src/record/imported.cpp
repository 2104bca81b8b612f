#include "record/imported.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "base/control_characters.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/seal.h"

namespace kablate {
namespace {

const std::vector<std::string> kNeeded{"arm", "seed", "loss"};
const std::vector<std::string> kColumns{"arm",
                                        "seed",
                                        "loss",
                                        "status",
                                        "ms_per_iter",
                                        "tokens_per_s",
                                        "train_seconds",
                                        "peak_tensor_bytes",
                                        "parameters",
                                        "flops_per_iteration",
                                        "decode_cache_bytes_per_token"};
const std::vector<std::string> kStates{"done", "diverged", "failed", "interrupted"};
constexpr const char* kRunsFile = "runs.json";
constexpr std::size_t kMostRuns = 100'000;
constexpr std::int64_t kMostCount = std::int64_t{1} << 53;  // what every program's numbers hold

TrialState state_of(const std::string& status) {
  for (const auto state :
       {TrialState::kDone, TrialState::kDiverged, TrialState::kFailed, TrialState::kInterrupted})
    if (status == state_name(state)) return state;
  throw UserError(str("status = \"", status, "\": allowed: ", join(kStates, ", ")));
}

// A line of the file by column.
class Line {
 public:
  Line(const std::map<std::string, std::size_t>& places, const CsvRecord& record, const std::string& path)
      : places_(places), record_(record), path_(path) {}

  std::string text(const std::string& column) const {
    const auto place = places_.find(column);
    return place == places_.end() ? "" : std::string(trim(record_.fields[place->second]));
  }
  [[noreturn]] void fail(const std::string& column, const std::string& allowed) const {
    throw UserError(str(path_, ":", record_.line, ": ", column, " = \"", without_controls(text(column)),
                        "\": allowed: ", allowed));
  }
  std::int64_t line() const { return record_.line; }

  std::optional<std::int64_t> count(const std::string& column) const {
    const auto value = text(column);
    if (value.empty()) return {};
    const auto number = parse_int(value);
    if (!number || *number < 0 || *number > kMostCount) fail(column, "a whole number from 0 on, or nothing");
    return number;
  }
  std::optional<double> amount(const std::string& column) const {
    const auto value = text(column);
    if (value.empty()) return {};
    const auto number = parse_real(value);
    if (!number || *number < 0) fail(column, "a number from 0 on, or nothing");
    return number;
  }

 private:
  const std::map<std::string, std::size_t>& places_;
  const CsvRecord& record_;
  const std::string& path_;
};

class RunsParser {
 public:
  RunsParser(const std::string& csv, const std::string& path, const ImportOptions& options)
      : path_(path),
        options_(options),
        csv_(read_csv(csv.starts_with(kByteOrderMark) ? std::string_view(csv).substr(3) : csv)) {
    runs_.plan.imported = {.file = path, .sha256 = hex(sha256(csv)), .better = options.better};
  }

  ImportedRuns parse() {
    if (csv_.bad_quote > 0)
      throw UserError(str(
          path_, ":", csv_.bad_quote,
          ": a quote that is not closed, or that does not hold a whole field; write \" within quotes twice"));
    if (csv_.records.empty())
      throw UserError(str(path_, ": is empty; expected a line of names: ", join(kNeeded, ",")));
    read_header();
    for (std::size_t i = 1; i < csv_.records.size(); ++i) read_run(csv_.records[i]);
    if (runs_.trials.empty()) throw UserError(str(path_, ": has no run below the line of names"));
    if (runs_.trials.size() > kMostRuns)
      throw UserError(str(path_, ": ", runs_.trials.size(), " runs: allowed: at most ", kMostRuns));
    finish_plan();
    return std::move(runs_);
  }

 private:
  static constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

  void read_header() {
    const auto& header = csv_.records[0];
    const auto where = str(path_, ":", header.line, ": ");
    for (std::size_t i = 0; i < header.fields.size(); ++i) {
      const std::string name(trim(header.fields[i]));
      const bool known = std::ranges::find(kColumns, name) != kColumns.end();
      if (known && !places_.emplace(name, i).second)
        throw UserError(str(where, "the column ", name, " stands twice"));
      if (known) continue;
      if (const auto shown = without_controls(name); shown != name)
        throw UserError(str(where, "column ", i + 1, ", \"", shown,
                            "\": allowed: a name, on one line, without control characters"));
      if (const auto near = nearest_name(name, kColumns); !near.empty())
        throw UserError(str(where, "there is no column \"", name, "\"; did you mean ", near,
                            "? allowed: ", join(kColumns, ", ")));
      runs_.ignored.push_back(name);
    }
    for (const auto& name : kNeeded)
      if (!places_.contains(name))
        throw UserError(str(where, "the column ", name, " is missing; allowed: ", join(kColumns, ", "),
                            ", separated by commas"));
  }

  void read_run(const CsvRecord& record) {
    if (record.fields.size() != csv_.records[0].fields.size())
      throw UserError(str(path_, ":", record.line, ": ", record.fields.size(),
                          " fields: allowed: ", csv_.records[0].fields.size(), ", as the first line has"));
    const Line line(places_, record, path_);
    const auto step = step_of(line);
    const auto seed = line.count("seed");
    if (!seed) line.fail("seed", "a whole number from 0 on");
    const auto [known, is_new] = seen_.try_emplace({step, *seed}, record.line);
    if (!is_new)
      line.fail("seed", str("one that arm \"", line.text("arm"), "\" does not have yet; line ", known->second,
                            " has it"));
    runs_.trials.push_back(trial(line, step, *seed));
    add_amounts(line, runs_.plan.steps[static_cast<std::size_t>(step)]);
  }

  std::int64_t step_of(const Line& line) {
    const auto name = line.text("arm");
    if (name.empty() || without_controls(name) != name)
      line.fail("arm", "a name, on one line, without control characters");
    auto& steps = runs_.plan.steps;
    const auto found = std::ranges::find(steps, name, &PlannedStep::name);
    if (found != steps.end()) return found->number;
    PlannedStep step;
    step.number = std::ssize(steps), step.name = name;
    steps.push_back(step);
    return step.number;
  }

  static TrialRecord trial(const Line& line, std::int64_t step, std::int64_t seed) {
    const auto status = line.text("status").empty() ? "done" : line.text("status");
    if (std::ranges::find(kStates, status) == kStates.end())
      line.fail("status", join(kStates, ", ") + ", or nothing, which is done");
    TrialRecord record;
    record.state = state_of(status);
    TrialSummary summary;
    summary.step = step, summary.seed = seed, summary.name = line.text("arm"), summary.status = status;
    summary.val_loss = parse_real(line.text("loss"));
    constexpr double kMost = std::numeric_limits<float>::max();
    const bool finite = summary.val_loss && std::abs(*summary.val_loss) <= kMost;
    if (record.state == TrialState::kDone && !finite)
      line.fail("loss",
                "a finite number; of a run whose status is diverged, failed or interrupted nothing is read");
    if (record.state != TrialState::kDone) summary.val_loss.reset();
    summary.ms_per_iter = line.amount("ms_per_iter");
    summary.tokens_per_s = line.amount("tokens_per_s");
    summary.train_seconds = line.amount("train_seconds");
    summary.peak_tensor_bytes = line.count("peak_tensor_bytes");
    const auto loss = summary.val_loss ? shortest(*summary.val_loss) : "";
    const auto key = hex(sha256(str("imported run ", summary.name, "\n", seed, "\n", status, "\n", loss)));
    record.planned = {step, seed, trial_folder_name({step, summary.name, seed, key})};
    record.summary = std::move(summary);
    return record;
  }

  // What an arm has whatever its seed.
  void add_amounts(const Line& line, PlannedStep& step) {
    const auto add = [&](const std::string& column, auto& field, const auto& value) {
      if (!value) return;
      const auto [first, is_new] =
          amounts_.try_emplace({step.number, column}, line.text(column), line.line());
      if (!is_new && static_cast<double>(field) != static_cast<double>(*value))
        line.fail(column, str("what line ", first->second.second, " says of the same arm, ",
                              first->second.first, ", or nothing"));
      field = *value;
    };
    add("parameters", step.parameters, line.count("parameters"));
    add("flops_per_iteration", step.flops_per_iteration, line.amount("flops_per_iteration"));
    add("decode_cache_bytes_per_token", step.decode_cache_bytes_per_token,
        line.count("decode_cache_bytes_per_token"));
  }

  void finish_plan() {
    auto& plan = runs_.plan;
    plan.name = std::filesystem::path(path_).stem().string();
    const auto baseline = std::ranges::find(plan.steps, options_.baseline, &PlannedStep::name);
    std::vector<std::string> names;
    for (const auto& step : plan.steps) names.push_back(step.name);
    if (!options_.baseline.empty() && baseline == plan.steps.end())
      throw UserError(str("--baseline = \"", options_.baseline, "\": no arm of ", path_,
                          " has this name; allowed: ", join(names, ", ")));
    plan.baseline = options_.baseline.empty() ? 0 : baseline->number;
    plan.arms = std::ssize(plan.steps) - 1;
    std::set<std::int64_t> seeds;
    for (const auto& trial : runs_.trials)
      seeds.insert(trial.planned.seed), plan.trials.push_back(trial.planned);
    plan.seeds.assign(seeds.begin(), seeds.end());
    for (const auto& step : plan.steps)
      if (!shares_a_seed(step.number))
        plan.notes.push_back(str("Step ", step.number, " (", step.name,
                                 ") has no seed in common with the baseline that is done in both: it has no "
                                 "difference and no verdict."));
  }

  bool shares_a_seed(std::int64_t step) const {
    std::set<std::int64_t> own, theirs;
    for (const auto& trial : runs_.trials) {
      if (trial.state != TrialState::kDone) continue;
      if (trial.planned.step == step) own.insert(trial.planned.seed);
      if (trial.planned.step == runs_.plan.baseline) theirs.insert(trial.planned.seed);
    }
    return std::ranges::any_of(own, [&](std::int64_t seed) { return theirs.contains(seed); });
  }

  const std::string& path_;
  const ImportOptions& options_;
  CsvText csv_;
  std::map<std::string, std::size_t> places_;                           // of the columns
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> seen_;  // step and seed -> line
  std::map<std::pair<std::int64_t, std::string>, std::pair<std::string, std::int64_t>> amounts_;
  ImportedRuns runs_;
};

// What plan.json has in `imported` beside the import: the names that any import into the folder had.
constexpr const char* kArmsSeen = "arms";

std::vector<std::string> arms_seen(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.plan(), ignored)) return {};
  const Json plan = read_sealed(folder.plan());
  if (const auto& from = plan.at("imported"); from.contains(kArmsSeen)) return from.at(kArmsSeen);
  std::vector<std::string> names;
  for (const auto& step : plan.at("steps")) names.push_back(step.at("name"));
  return names;
}

// To leave arms out of the file, or to try one after the other, must not make those that are there easier to
// believe: the family is of all that the folder has ever had.
Json plan_with_arms_seen(PlanRecord plan, std::vector<std::string> seen) {
  std::vector<std::string> gone;
  for (const auto& name : seen)
    if (std::ranges::find(plan.steps, name, &PlannedStep::name) == plan.steps.end()) gone.push_back(name);
  plan.arms += std::ssize(gone);
  if (!gone.empty())
    plan.notes.push_back(
        str("Earlier imports into this folder had ", gone.size(), gone.size() == 1 ? " arm" : " arms",
            " that this one leaves out: ", join(gone, ", "),
            gone.size() == 1 ? ". It counts" : ". They count", " in the family of the verdicts, which is of ",
            plan.arms, " arms. Another question has a folder of its own (--out)."));
  for (const auto& step : plan.steps)
    if (std::ranges::find(seen, step.name) == seen.end()) seen.push_back(step.name);
  auto json = to_json(plan);
  json["imported"][kArmsSeen] = seen;
  return json;
}

Json run_json(const TrialRecord& record) {
  const auto& summary = *record.summary;
  const auto number = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"step", record.planned.step},
          {"seed", record.planned.seed},
          {"status", state_name(record.state)},
          {"loss", number(summary.val_loss)},
          {"ms_per_iter", number(summary.ms_per_iter)},
          {"tokens_per_s", number(summary.tokens_per_s)},
          {"train_seconds", number(summary.train_seconds)},
          {"peak_tensor_bytes", number(summary.peak_tensor_bytes)}};
}

template <typename T>
std::optional<T> number_at(const Json& json, const char* key) {
  const auto& value = json.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

TrialRecord run_from_json(const Json& json, const PlannedTrial& planned) {
  TrialRecord record;
  record.planned = planned;
  record.state = state_of(json.at("status"));
  TrialSummary summary;
  summary.step = planned.step, summary.seed = planned.seed, summary.status = json.at("status");
  summary.val_loss = number_at<double>(json, "loss");
  summary.ms_per_iter = number_at<double>(json, "ms_per_iter");
  summary.tokens_per_s = number_at<double>(json, "tokens_per_s");
  summary.train_seconds = number_at<double>(json, "train_seconds");
  summary.peak_tensor_bytes = number_at<std::int64_t>(json, "peak_tensor_bytes");
  record.summary = std::move(summary);
  return record;
}

}  // namespace

ImportedRuns parse_runs(const std::string& csv, const std::string& path, const ImportOptions& options) {
  return RunsParser(csv, path, options).parse();
}

void write_imported(const ExperimentFolder& folder, const ImportedRuns& runs) {
  std::error_code ignored;
  if (std::filesystem::exists(folder.trials(), ignored) ||
      (std::filesystem::exists(folder.plan(), ignored) && !read_plan(folder).imported))
    throw UserError(
        str(folder.path().string(), ": holds an experiment that was trained there; name another folder"));
  const auto plan = plan_with_arms_seen(runs.plan, arms_seen(folder));
  make_writable_folder(folder.path());
  Json list = Json::array();
  for (const auto& trial : runs.trials) list.push_back(run_json(trial));
  write_file_if_changed(folder.path() / kRunsFile, sealed_text({{"runs", list}}));
  write_file_if_changed(folder.plan(), sealed_text(plan));
}

std::vector<TrialRecord> read_imported(const ExperimentFolder& folder, const PlanRecord& plan) {
  const auto path = folder.path() / kRunsFile;
  const auto fail = [&](const std::string& why) {
    return UserError(str(path.string(), ": ", why, "; import the runs again"));
  };
  try {
    const Json runs = read_sealed(path).at("runs");
    if (runs.size() != plan.trials.size()) throw fail("has not the runs of plan.json");
    std::vector<TrialRecord> trials;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto& planned = plan.trials[i];
      if (runs[i].at("step") != planned.step || runs[i].at("seed") != planned.seed)
        throw fail("has not the runs of plan.json");
      trials.push_back(run_from_json(runs[i], planned));
    }
    return trials;
  } catch (const Json::exception& fault) {
    throw fail(str("is no list of runs (", fault.what(), ")"));
  }
}

}  // namespace kablate
