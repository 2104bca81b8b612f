#include "analyse/judge.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/judge_table.h"
#include "cli/options.h"
#include "interchange/weights.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "model/stored_parameters.h"
#include "plan/key.h"
#include "record/done.h"
#include "record/reader.h"
#include "record/seal.h"
#include "report/render.h"
#include "runner/stored_trial.h"

namespace kablate {
namespace {

struct JudgeCommand {
  std::string experiment, by;
  std::optional<std::int64_t> step;  // of `by`
  std::int64_t texts = 64, steps = JudgeOptions().steps, seed = 1;
  bool json = false;
};

// A finished trial's model.
struct Loaded {
  StoredTrial trial;
  c10::Device device;
  std::unique_ptr<Gpt> model;
};

// The experiment's finished trials, opened as they are asked for.
class Trials {
 public:
  explicit Trials(const ExperimentFolder& folder)
      : record_(read_experiment(folder)),
        folder_(folder),
        program_{data_folder(), source_folder(), this_build(), ""},
        keys_(program_) {}

  const PlanRecord& plan() const { return record_.plan; }

  std::optional<StoredTrial> stored(std::int64_t step, std::int64_t seed) const {
    const auto* trial = record_.find_trial(step, seed);
    if (trial == nullptr || trial->state != TrialState::kDone) return {};
    return read_stored_trial(folder_.trial(trial->planned.folder), program_);
  }

  // Of any seed.
  std::optional<Config> config_of(std::int64_t step) const {
    for (const auto seed : plan().seeds)
      if (const auto trial = stored(step, seed)) return trial->config;
    return {};
  }

  // Of the first that is finished: one number for all, since this process can choose it but once.
  std::int64_t threads() const {
    for (const auto& trial : record_.trials)
      if (const auto found = stored(trial.planned.step, trial.planned.seed)) return found->threads;
    return 1;
  }

  // On the device of its own experiment, or on this one.
  std::optional<Loaded> load(std::int64_t step, std::int64_t seed,
                             const std::optional<c10::Device>& where = {}) const {
    auto trial = stored(step, seed);
    if (!trial) return {};
    check_file(trial->folder, trial->folder.weights());
    const Config config = config_of_weights(trial->config, trial->folder.weights());
    const c10::Device device = where ? *where : resolve_device(config.run.device);
    use_kernels(config.run.kernels, device);
    auto model = std::make_unique<Gpt>(config, read_parameters(config, trial->folder.weights(), device));
    return Loaded{std::move(*trial), device, std::move(model)};
  }

  std::shared_ptr<const Dataset> data(const StoredTrial& trial) { return keys_.data(trial); }

 private:
  ExperimentRecord record_;
  const ExperimentFolder& folder_;
  Program program_;
  KeysHere keys_;
};

std::string step_names(const PlanRecord& plan, const std::vector<std::int64_t>& steps) {
  std::vector<std::string> names;
  for (const auto step : steps) names.push_back(str(step, " ", plan.find_step(step)->name));
  return join(names, ", ");
}

// The step that reads: the one that was named, or the only one that can.
std::int64_t judge_of(const JudgeCommand& command, const Trials& by) {
  std::vector<std::int64_t> can;
  for (const auto& step : by.plan().steps)
    if (const auto config = by.config_of(step.number);
        config && !step.rerun_of && !config->objective.masked() && !config->data.is_synthetic())
      can.push_back(step.number);
  if (can.empty())
    throw UserError(
        str("--by = ", command.by,
            ": has no finished trial with OBJECTIVE = next_token on text, which alone can read texts"));
  if (!command.step && can.size() == 1) return can[0];
  if (command.step && std::find(can.begin(), can.end(), *command.step) != can.end()) return *command.step;
  throw UserError(str(command.step ? str("--by-step = ", *command.step) : str("--by = ", command.by),
                      ": allowed with --by-step: one of its steps ", step_names(by.plan(), can)));
}

// One data set for both: a loss of other text is another measure.
void check_reads(const StoredTrial& judge, const StoredTrial& arm) {
  const auto hash = [](const StoredTrial& trial) { return key_values(trial.key_text)["data"]; };
  if (hash(judge) != hash(arm))
    throw UserError(str("the judge, ", judge.label(), ", was trained on other data than ", arm.label(),
                        "; name one that was trained on the same with --by"));
  const auto& gpt = judge.config.gpt;
  if (gpt.positions == Positions::kLearned && gpt.context + 1 < arm.config.gpt.context)
    throw UserError(str("the judge, ", judge.label(), ", has learned positions for ", gpt.context,
                        " tokens, too few for texts of ", arm.config.gpt.context, " (GPT2_BLOCK_SIZE of ",
                        arm.label(), ")"));
}

std::vector<JudgedRow> empty_rows(const JudgeCommand& command, const Trials& trials) {
  std::vector<JudgedRow> rows;
  for (const auto& step : trials.plan().steps) {
    const auto config = trials.config_of(step.number);
    if (!config || step.rerun_of || !config->objective.masked()) continue;
    rows.push_back({step.number, step.name, "probability", {}, {}});
    if (config->objective.critic) rows.push_back({step.number, step.name, "critic", {}, {}});
  }
  if (rows.empty())
    throw UserError(str(command.experiment,
                        ": has no finished trial of a model of masked tokens (OBJECTIVE = masked_token)"));
  return rows;
}

Judged judge_experiment(const JudgeCommand& command, Trials& trials, const Trials& by) {
  const auto step = judge_of(command, by);
  Judged judged{str("step ", step, " ", by.plan().find_step(step)->name, " of ", command.by),
                command.steps,
                command.seed,
                0,
                {},
                empty_rows(command, trials)};
  make_deterministic(trials.threads());
  const auto device = resolve_device(trials.config_of(judged.rows.front().step)->run.device);
  for (const auto seed : trials.plan().seeds) {
    auto judge = by.load(step, seed, device);  // or of the first that is there
    for (const auto other : by.plan().seeds)
      if (!judge) judge = by.load(step, other, device);
    std::optional<Loaded> arm;
    for (auto& row : judged.rows) {
      if (!arm || arm->trial.summary.step != row.step) arm = trials.load(row.step, seed);
      if (!arm) continue;
      check_reads(judge->trial, arm->trial);
      const auto data = trials.data(arm->trial);
      const Config& config = arm->trial.config;
      judged.texts = std::min(command.texts, data->num_windows(Split::kValidation, config.gpt.context));
      const JudgeOptions options{.texts = command.texts,
                                 .steps = command.steps,
                                 .by_critic = row.sampler == "critic",
                                 .seed = static_cast<std::uint64_t>(command.seed)};
      row.readings[seed] = judge_texts(config, *arm->model, *judge->model, *data, options, arm->device,
                                       throw_if_stop_requested);
      row.repairs[seed] =
          judge_repair(config, *arm->model, *data, options, arm->device, throw_if_stop_requested);
      if (!judged.data.contains(seed))
        judged.data[seed] =
            judge_data(config, *judge->model, *data, command.texts, arm->device, throw_if_stop_requested);
    }
  }
  return judged;
}

int judge(const JudgeCommand& command) {
  catch_stop_signals();
  const ExperimentFolder folder = existing_experiment(command.experiment);
  refuse_to_add(folder);
  const ExperimentFolder of_judge = existing_experiment(command.by);
  Trials trials(folder);
  const Trials by(of_judge);
  const Judged judged = judge_experiment(command, trials, by);
  const Compared compared(judged);
  const Json json = to_json(judged, compared);
  write_file(folder.judge(), sealed_text(json));
  if (command.json)
    std::printf("%s\n", json.dump(2).c_str());
  else
    std::printf("%s", text_of(judged, compared, output_width()).c_str());
  return kExitDone;
}

}  // namespace

void add_judge_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<JudgeCommand>();
  auto* parser = app.add_subcommand(
      "judge", "What models of masked tokens write, read by one of next tokens: with and without the critic");
  parser->add_option("EXPERIMENT_DIR", command->experiment, "The results folder of models of masked tokens")
      ->required();
  parser
      ->add_option("--by", command->by,
                   "That of a model of next tokens, trained on the same data, which reads")
      ->type_name("EXPERIMENT_DIR")
      ->required();
  parser->add_option("--by-step", command->step, "Which step of it; not needed where only one can")
      ->type_name("STEP")
      ->check(whole_number(0));
  parser->add_option("--texts", command->texts, "How many texts, and windows, of each trial")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  parser->add_option("--steps", command->steps, "In how many steps a text is filled in")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  parser->add_option("--seed", command->seed, "Which draws")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  parser->add_flag("--json", command->json, "Print JSON");
  parser->callback([command, &action] { action = [command] { return judge(*command); }; });
}

}  // namespace kablate
