#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "config/config.h"
#include "interchange/gpt2_format.h"
#include "interchange/weights.h"
#include "record/done.h"
#include "record/reader.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

struct ExportCommand {
  ConfigOptions configuration;
  std::string to, run, weights, out, config_out;
};

Gpt2Format format_asked_for(const ExportCommand& command) {
  for (const auto format : {Gpt2Format::kNanoGpt, Gpt2Format::kHfGpt2})
    if (command.to == format_name(format)) return format;
  throw UserError(str("--to = ", command.to, ": allowed: nanogpt, hf-gpt2"));
}

struct ExportSource {
  Config config;
  std::filesystem::path weights;
};

ExportSource source_of(const ExportCommand& command) {
  if (command.run.empty())
    return {command.configuration.model_config("export", {"RA_MLA_ALLOW_NONCAUSAL"}), command.weights};
  const TrialFolder folder = existing_trial(command.run);
  if (!DoneList::read(folder))
    throw UserError(
        str("--run = ", command.run, ": the trial is not finished: it has no weights.safetensors yet"));
  check_file(folder, folder.weights());
  return {read_trial_config(folder).bind(), folder.weights()};
}

int export_weights(const ExportCommand& command) {
  const auto format = format_asked_for(command);
  check_source(command.configuration, command.run, command.weights, "export");
  const auto [started, weights] = source_of(command);
  const Config config = config_of_weights(started, weights);  // where layers shared an MLP and parted since
  if (const auto reason = why_not_gpt2(config, format); !reason.empty())
    throw UserError(str("--to = ", command.to, ": ", reason));
  const NamedTensors tensors = export_gpt2(config, read_weights(weights, model_parameters(config)), format);
  check_outputs(command.out, command.config_out);
  write_safetensors(command.out, tensors,
                    {{"format", "pt"}, {"n_head", std::to_string(config.gpt.num_heads)}});
  if (!command.config_out.empty()) write_file(command.config_out, config_of(config, format).dump(2) + "\n");
  std::printf("%s: %zu tensors as %s\n", command.out.c_str(), tensors.size(), format_name(format).c_str());
  return kExitDone;
}

}  // namespace

void add_export_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ExportCommand>();
  auto* command = app.add_subcommand("export", "Write a GPT-2's weights as another program keeps them");
  options->configuration.add_to(*command);
  command->add_option("--to", options->to, "nanogpt, or hf-gpt2 (transformers)")
      ->type_name("FORMAT")
      ->required();
  command->add_option("--run", options->run, "A finished trial's folder")->type_name("TRIAL_DIR");
  command->add_option("--weights", options->weights, "Weights of the configuration given here")
      ->type_name("W.safetensors");
  command->add_option("--out", options->out, "The file to write")->type_name("FILE")->required();
  command
      ->add_option("--config-out", options->config_out,
                   "Gets transformers' config.json, or nanoGPT's model_args")
      ->type_name("FILE")
      ->check(not_empty());
  command->callback([options, &action] { action = [options] { return export_weights(*options); }; });
}

}  // namespace kablate
