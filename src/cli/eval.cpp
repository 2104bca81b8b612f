#include <cstdio>

#include "analyse/evaluation.h"
#include "base/error.h"
#include "base/json.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/enum_names.h"
#include "config/unread.h"
#include "interchange/weights.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "model/stored_parameters.h"
#include "plan/key.h"
#include "record/done.h"
#include "runner/stored_trial.h"

namespace kablate {
namespace {

struct EvalCommand {
  ConfigOptions configuration;
  std::string run, weights, data_path;
  std::optional<std::int64_t> samples;  // not given: GPT2_EVAL_SAMPLES
  std::optional<std::int64_t> context;  // not given: GPT2_BLOCK_SIZE
  bool json = false;
};

struct EvalReport {
  std::string label;
  Evaluation evaluation;
  std::optional<double> recorded;  // the loss that the run ended with, where the data and windows are its own
};

Evaluation evaluate(const EvalCommand& command, const Config& config, const std::filesystem::path& weights,
                    const Dataset& data) {
  catch_stop_signals();
  const c10::Device device = resolve_device(config.run.device);
  use_kernels(config.run.kernels, device);
  const Config found = config_of_weights(config, weights);
  const Gpt model(found, read_parameters(found, weights, device));
  return evaluate_validation(config, model, data, command.samples.value_or(config.train.eval_samples), device,
                             throw_if_stop_requested);
}

void check_data_path(const EvalCommand& command, const Config& config) {
  if (command.data_path.empty() || is_read("DATA_PATH", config)) return;
  throw UserError(str("--data-path = ", command.data_path, ": DATASET = ", enum_name(config.data.dataset),
                      " does not read DATA_PATH; leave it out"));
}

// Positions that are learned exist for the context trained on alone; others are made for any.
Config with_context(const EvalCommand& command, Config config) {
  if (!command.context || *command.context == config.gpt.context) return config;
  if (config.gpt.positions == Positions::kLearned)
    throw UserError(str("--context = ", *command.context, ": POSITIONS = learned gives the model ",
                        config.gpt.context,
                        " positions and no others; leave it out, or take a model with POSITIONS = rotary or "
                        "none"));
  const auto most = find_symbol("GPT2_BLOCK_SIZE")->most;
  if (*command.context > most)
    throw UserError(str("--context = ", *command.context, ": allowed: a whole number from 1 to ", most));
  config.gpt.context = *command.context;
  return config;
}

EvalReport of_run(const EvalCommand& command) {
  const Program program{data_folder(), source_folder(), this_build(), command.data_path};
  const StoredTrial trial = read_stored_trial(existing_trial(command.run), program);
  check_data_path(command, trial.config);
  make_deterministic(trial.threads);
  check_file(trial.folder, trial.folder.weights());
  const auto path = trial.folder.tokenizer();
  const Json json = Json::parse(read_checked(trial.folder, path), nullptr, /*allow_exceptions=*/false);
  const auto tokenizer = Tokenizer::from_json(json, path.string());
  const Config config = with_context(command, trial.config);
  const auto data = open_dataset(config, data_folder(), &tokenizer);
  const bool own_data = key_values(trial.key_text)["data"] == data->hash();
  if (!own_data && command.data_path.empty())
    throw WorkError(
        str(command.run,
            ": its data are not those that it was trained on any more; put them back, or name what "
            "to evaluate on with --data-path"));
  EvalReport report{trial.label(), evaluate(command, config, trial.folder.weights(), *data), {}};
  if (command.samples || !own_data || config.gpt.context != trial.config.gpt.context) return report;
  report.recorded = trial.summary.val_loss;
  if (report.recorded == report.evaluation.loss) return report;
  const auto differences = key_differences(trial.key_text, KeysHere(program).text(trial));
  throw WorkError(str(command.run, ": the validation loss is ", shortest(report.evaluation.loss),
                      " here, summary.json says ", shortest(*report.recorded), ": ",
                      differences.empty()
                          ? "another CPU or other variables of its libraries; `kablate "
                            "verify` tells which"
                          : "what the trial was made by differs: " + join(differences, ", ")));
}

EvalReport of_weights(const EvalCommand& command) {
  std::vector<std::string_view> read{
      "RA_MLA_ALLOW_NONCAUSAL", "DEVICE",    "KERNELS",      "THREADS", "DTYPE", "GPT2_BATCH_SIZE",
      "GPT2_EVAL_SAMPLES",      "MASK_RATE", "MASK_SCHEDULE"};
  read.insert(read.end(), kDataSymbols.begin(), kDataSymbols.end());
  Config config = command.configuration.model_config("eval", read, command.data_path);
  if (const auto reason = blocked_reason(config); !reason.empty()) throw UserError(reason);
  config = with_context(command, config);
  check_data_path(command, config);
  if (!command.data_path.empty()) config.data.path = command.data_path;
  make_deterministic(config.run.threads > 0 ? config.run.threads : available_cores());
  return {
      command.weights, evaluate(command, config, command.weights, *open_dataset(config, data_folder())), {}};
}

void print_report(const EvalReport& report) {
  const auto& [label, evaluation, recorded] = report;
  const auto bits = evaluation.bits_per_byte();
  std::string tokens = grouped(evaluation.tokens) + (evaluation.accuracy ? " labels" : " tokens");
  if (evaluation.bytes) tokens += str(", ", grouped(*evaluation.bytes), " bytes");
  std::printf("%s: %s windows of the validation split, %s\n", label.c_str(),
              grouped(evaluation.windows).c_str(), tokens.c_str());
  const bool labelled = evaluation.accuracy.has_value();
  std::printf("loss         %s nats a %s%s\n", shortest(evaluation.loss).c_str(),
              labelled            ? "label"
              : evaluation.masked ? "masked token"
                                  : "token",
              recorded ? ", as summary.json has it" : "");
  std::printf("perplexity   %s\n", fixed(evaluation.perplexity(), 4).c_str());
  if (labelled)
    std::printf("accuracy     %s, macro %s\n", fixed(*evaluation.accuracy, 4).c_str(),
                fixed(evaluation.macro_accuracy.value_or(0), 4).c_str());
  std::printf("bits a byte  %s\n", bits                ? fixed(*bits, 4).c_str()
                                   : labelled          ? "none: the loss is of labels alone"
                                   : evaluation.masked ? "none: the loss is of masked tokens alone"
                                                       : "unknown: the data are ids without a vocabulary");
}

void print_json(const EvalReport& report) {
  const auto& [label, evaluation, recorded] = report;
  const auto bits = evaluation.bits_per_byte();
  Json json{{"loss", evaluation.loss},
            {"perplexity", evaluation.perplexity()},
            {"bits_per_byte", bits ? Json(*bits) : Json()},
            {"windows", evaluation.windows},
            {"tokens", evaluation.tokens},
            {"bytes", evaluation.bytes ? Json(*evaluation.bytes) : Json()},
            {"recorded_loss", recorded ? Json(*recorded) : Json()}};
  if (evaluation.accuracy) json["accuracy"] = *evaluation.accuracy;
  if (evaluation.macro_accuracy) json["macro_accuracy"] = *evaluation.macro_accuracy;
  std::printf("%s\n", json.dump(2).c_str());
}

int evaluate_model(const EvalCommand& command) {
  check_source(command.configuration, command.run, command.weights, "eval");
  const EvalReport report = command.run.empty() ? of_weights(command) : of_run(command);
  if (command.json)
    print_json(report);
  else
    print_report(report);
  return kExitDone;
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<EvalCommand>();
  auto* command = app.add_subcommand("eval", "A trained model's loss, perplexity, bits a byte and accuracy");
  options->configuration.add_to(*command);
  command->add_option("--run", options->run, "A finished trial's folder")->type_name("TRIAL_DIR");
  command->add_option("--weights", options->weights, "Weights of the configuration given here")
      ->type_name("W.safetensors");
  command->add_option("--data-path", options->data_path, "Other data than DATA_PATH says, of the same kind")
      ->type_name("PATH")
      ->check(not_empty());
  command->add_option("--samples", options->samples, "How many validation windows; 0 is all")
      ->type_name("N")
      ->check(whole_number(0));
  command
      ->add_option("--context", options->context,
                   "Windows of N tokens instead of GPT2_BLOCK_SIZE, where positions are not learned")
      ->type_name("N")
      ->check(whole_number(1));
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return evaluate_model(*options); }; });
}

}  // namespace kablate
