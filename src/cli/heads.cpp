#include "cli/heads.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "analyse/heads.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "cli/token_lines.h"
#include "config/attention_checks.h"
#include "data/dataset.h"
#include "interchange/weights.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "model/stored_parameters.h"
#include "record/done.h"
#include "record/reader.h"
#include "report/heads_map.h"
#include "report/table.h"
#include "runner/stored_trial.h"

namespace kablate {
namespace {

struct HeadsCommand {
  ConfigOptions configuration;
  std::string run, weights, tokens;
  std::optional<std::int64_t> length, sequences, seed;
  bool json = false;
};

constexpr std::int64_t kLength = 64, kSequences = 32, kSeed = 1;  // where nothing is given

// A model, and where random ids come from.
struct LookedAt {
  std::string label;
  Config config;
  std::filesystem::path weights;
  std::vector<std::int64_t> ids;  // empty where a file brings the sequences
  std::int64_t threads = 1;
  std::optional<StoredTrial> trial;
};

void check_options(const HeadsCommand& command) {
  if (command.run.empty() == command.weights.empty())
    throw UserError(
        "kablate heads: give either TRIAL_DIR, or --weights W.safetensors with its configuration");
  const auto& file = command.configuration.file;
  const auto& assignments = command.configuration.assignments;
  if (!command.run.empty() && (!file.empty() || !assignments.empty()))
    throw UserError(str(file.empty() ? "--set " + assignments[0] : "--config " + file, " with ", command.run,
                        ": a run brings its own configuration; leave one of the two out"));
  if (command.tokens.empty()) return;
  const auto refuse = [&](const char* option, const std::optional<std::int64_t>& value) {
    if (value)
      throw UserError(str(option, " = ", *value, ": the sequences are those of --tokens = ", command.tokens,
                          "; leave one of the two out"));
  };
  refuse("--length", command.length), refuse("--sequences", command.sequences),
      refuse("--seed", command.seed);
}

// Of a configuration that may have no data here, as that of weights made elsewhere.
std::vector<std::int64_t> ids_of(const Config& config) {
  try {
    return open_dataset(config, data_folder())->tokenizer().ids();
  } catch (const UserError& fault) {
    log_info(str("random ids are any of GPT2_VOCAB_SIZE = ", config.gpt.vocabulary,
                 ", since it is not known which of them the data have (", fault.what(), ")"));
  }
  std::vector<std::int64_t> all;
  for (std::int64_t id = 0; id < config.gpt.vocabulary; ++id) all.push_back(id);
  return all;
}

LookedAt from_run(const HeadsCommand& command) {
  const Program program{data_folder(), source_folder(), this_build(), ""};
  StoredTrial trial = read_stored_trial(existing_trial(command.run), program);
  check_file(trial.folder, trial.folder.weights());
  LookedAt source{trial.label(), trial.config, trial.folder.weights(), {}, trial.threads, {}};
  if (command.tokens.empty()) {
    const auto path = trial.folder.tokenizer();
    const Json json = Json::parse(read_checked(trial.folder, path), nullptr, /*allow_exceptions=*/false);
    source.ids = Tokenizer::from_json(json, path.string()).ids();
  }
  source.trial = std::move(trial);
  return source;
}

LookedAt from_weights(const HeadsCommand& command) {
  std::vector<std::string_view> more{"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS", "THREADS"};
  if (command.tokens.empty()) more.insert(more.end(), kDataSymbols.begin(), kDataSymbols.end());
  const Config config = command.configuration.model_config("heads", more);
  LookedAt source{command.weights, config, command.weights, {}, config.run.threads, {}};
  if (source.threads == 0) source.threads = available_cores();
  return source;
}

void check_model(const Config& config) {
  if (const auto why = why_no_heads(config); !why.empty()) throw UserError(why);
  if (const auto reason = blocked_reason(config); !reason.empty()) throw UserError(reason);
}

void check_length(const Config& config, std::int64_t length) {
  if (2 * length <= config.gpt.context) return;
  if (config.gpt.positions != Positions::kLearned)
    return log_warning(str("--length = ", length, ": two copies are ", 2 * length,
                           " ids, and the model was trained on GPT2_BLOCK_SIZE = ", config.gpt.context,
                           ": what its heads do beyond says little of what they do within; --length ",
                           config.gpt.context / 2, " stays within"));
  throw UserError(str("--length = ", length, ": two copies are ", 2 * length,
                      " ids; allowed: at most GPT2_BLOCK_SIZE = ", config.gpt.context,
                      " together, with POSITIONS = learned; give --length ", config.gpt.context / 2,
                      " or less"));
}

// Each line r r.
Tensor read_sequences(const std::string& path, const Config& config) {
  const auto lines = read_token_lines(path, config);
  for (const auto& [where, ids] : lines) {
    const auto length = ids.size() / 2;
    if (ids.size() % 2 != 0 || length < 2)
      throw UserError(str(where, ": ", ids.size(),
                          " ids; allowed: an even number from 4 on, two copies one behind the other"));
    for (std::size_t i = 0; i < length; ++i)
      if (ids[i] != ids[length + i])
        throw UserError(str(where, ": id ", length + i + 1, " is ", ids[length + i], ", id ", i + 1, " is ",
                            ids[i], ": the second half of a line must be a copy of the first"));
  }
  return rows_of(lines);
}

HeadsRecord look(const HeadsCommand& command, LookedAt& source) {
  check_model(source.config);
  const auto length = command.length.value_or(kLength), seed = command.seed.value_or(kSeed);
  Tensor sequences;
  if (command.tokens.empty()) {
    check_length(source.config, length);
    if (source.ids.empty()) source.ids = ids_of(source.config);
    sequences = repeated_sequences(source.ids, length, command.sequences.value_or(kSequences), seed);
  } else {
    sequences = read_sequences(command.tokens, source.config);
  }
  const Config config = config_of_weights(source.config, source.weights);
  const c10::Device device = resolve_device(config.run.device);
  const Gpt model(config, read_parameters(config, source.weights, device).to(device, at::kDouble));
  HeadsRecord record = look_at_heads(model, sequences.to(device), throw_if_stop_requested);
  if (command.tokens.empty()) record.seed = seed, record.ids = std::ssize(source.ids);
  if (source.trial) record.weights_sha256 = source.trial->summary.weights_sha256;
  return record;
}

void print_heads(const LookedAt& source, const HeadsRecord& record) {
  std::string from = record.ids ? str(", of ", *record.ids, " ids") : "";
  std::printf("%s\n",
              wrapped(str(source.label, ": ", record.sequences_text(), from), output_width()).c_str());
  std::printf("%s", heads_map(record, output_width(), output_has_colour()).c_str());
}

int look_at_model(const HeadsCommand& command) {
  check_options(command);
  LookedAt source = command.run.empty() ? from_weights(command) : from_run(command);
  catch_stop_signals();
  make_deterministic(source.threads);
  const HeadsRecord record = look(command, source);
  if (source.trial) write_heads(source.trial->folder, record);
  if (command.json)
    std::printf("%s\n", heads_to_json(record).dump(2).c_str());
  else
    print_heads(source, record);
  return kExitDone;
}

// As `kablate heads TRIAL_DIR` does, but of two copies that fit into a context: at distances beyond it the
// model was never trained.
void measure_trial(const TrialFolder& folder) {
  HeadsCommand command;
  command.run = folder.path().string();
  LookedAt source = from_run(command);
  command.length = std::min(kLength, source.config.gpt.context / 2);
  at::set_num_threads(static_cast<int>(source.threads));
  write_heads(folder, look(command, source));
}

}  // namespace

void measure_heads(const ExperimentFolder& experiment, const Plan& plan) {
  std::int64_t measured = 0;
  for (const auto& trial : plan.trials) {
    if (!trial.config.run.measure_heads) continue;
    throw_if_stop_requested();
    const auto folder =
        experiment.trial({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
    std::string problem;  // of a file that is written anew
    const auto summary = finished(folder);
    if (!summary || read_heads(folder, summary->weights_sha256, &problem)) continue;
    try {
      measure_trial(folder);
      ++measured;
    } catch (const UserError& fault) {
      log_warning(str("heads are not looked at: ", fault.what()));
    } catch (const WorkError& fault) {
      log_warning(str(folder.path().string(), ": its heads are not looked at: ", fault.what()));
    }
  }
  if (measured > 0) log_info(str("looked at the heads of ", measured, measured == 1 ? " trial" : " trials"));
}

void add_heads_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<HeadsCommand>();
  auto* command = app.add_subcommand(
      "heads", "What each head of a trained model attends to on text said twice: are there induction heads?");
  options->configuration.add_to(*command);
  command->add_option("TRIAL_DIR", options->run, "A finished trial's folder, which gets heads.json");
  command->add_option("--weights", options->weights, "Weights of the configuration given here")
      ->type_name("W.safetensors")
      ->check(not_empty());
  const auto number = [&](const char* name, std::optional<std::int64_t>& value, std::int64_t least,
                          const std::string& text) {
    command->add_option(name, value, text)->type_name("N")->check(whole_number(least));
  };
  number("--length", options->length, 2, str("Ids of a copy, of which a sequence has two; ", kLength));
  number("--sequences", options->sequences, 1, str("How many sequences of random ids; ", kSequences));
  number("--seed", options->seed, 0, str("Which random ids; ", kSeed));
  command
      ->add_option("--tokens", options->tokens,
                   "Sequences of ids instead, one a line, its second half a copy of the first")
      ->type_name("IDS.txt")
      ->check(not_empty());
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return look_at_model(*options); }; });
}

}  // namespace kablate
