#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/input_file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/safetensors_header.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "interchange/gpt2_format.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

struct ImportCommand {
  std::string from = "auto", in, out, config_out;
  std::optional<std::int64_t> heads;
};

Gpt2Format source_format(const ImportCommand& command, const StateDict& tensors) {
  for (const auto format : {Gpt2Format::kNanoGpt, Gpt2Format::kHfGpt2})
    if (command.from == format_name(format)) return format;
  if (command.from == "auto") return format_of(command.in, tensors);
  throw UserError(str("--from = ", command.from, ": allowed: nanogpt, hf-gpt2, auto"));
}

// config.json beside the weights, which transformers leaves there.
Gpt2Hints hints_beside(const ImportCommand& command, Gpt2Format format) {
  const fs::path path = fs::path(command.in).parent_path() / "config.json";
  std::error_code ignored;
  if (format != Gpt2Format::kHfGpt2 || !fs::exists(path, ignored)) return {};
  const Json json = Json::parse(read_text(path), nullptr, /*allow_exceptions=*/false);
  return hints_of_config(json, path.string());
}

// No tensor has the number of heads as a length: told, or found beside the tensors, or what every published
// GPT-2 has, with a warning.
std::int64_t heads_of(const ImportCommand& command, std::optional<std::int64_t> beside, std::int64_t width) {
  const auto metadata = read_safetensors_header(InputFile(command.in)).metadata;
  if (const auto found = metadata.find("n_head"); found != metadata.end()) {
    beside = parse_int(found->second);
    if (!beside)
      throw UserError(str(command.in, ": n_head in its metadata is \"", found->second, "\", no number"));
  }
  if (command.heads && beside && *command.heads != *beside)
    throw UserError(str("--heads = ", *command.heads, ": what lies beside the tensors says ", *beside,
                        "; leave --heads out"));
  if (command.heads || beside) return command.heads ? *command.heads : *beside;
  if (command.config_out.empty()) return 1;  // the weights are the same
  constexpr std::int64_t kWidth = 64;
  if (width % kWidth != 0)
    throw UserError(str("--config-out = ", command.config_out, ": ", command.in,
                        " does not say how many heads it has; give --heads N, a divisor of its width ",
                        width));
  log_warning(str(command.in, " does not say how many heads it has; taken: ", width / kWidth, ", of ", kWidth,
                  " channels, as every published GPT-2 has them. If that is wrong, give --heads N"));
  return width / kWidth;
}

int import_weights(const ImportCommand& command) {
  const StateDict tensors = read_state_dict(command.in);
  const auto format = source_format(command, tensors);
  Gpt2Hints hints = hints_beside(command, format);
  hints.heads = heads_of(command, hints.heads, width_of(command.in, tensors));
  const ImportedModel model = import_gpt2(command.in, tensors, format, hints);
  check_outputs(command.out, command.config_out);
  write_safetensors(command.out, model.weights);
  const Config config = model.settings.bind();
  if (!command.config_out.empty()) write_file(command.config_out, minimal_defconfig(config));
  std::printf("%s: %s parameters in %zu tensors, from %s\n", command.out.c_str(),
              grouped(parameter_count(config)).c_str(), model.weights.size(), format_name(format).c_str());
  if (!command.config_out.empty())
    std::printf("%s: their configuration; --config takes it\n", command.config_out.c_str());
  return kExitDone;
}

}  // namespace

void add_import_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ImportCommand>();
  auto* command = app.add_subcommand("import", "Turn another program's weights of a GPT-2 into ours");
  command->add_option("--from", options->from, "nanogpt, hf-gpt2 (transformers), or auto: as the file looks")
      ->capture_default_str()
      ->type_name("FORMAT");
  command->add_option("--in", options->in, "Their weights as safetensors")->type_name("FILE")->required();
  command->add_option("--out", options->out, "Gets the weights by our names, float32")
      ->type_name("W.safetensors")
      ->required();
  command->add_option("--config-out", options->config_out, "Gets their configuration, for --config")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--heads", options->heads, "How many heads, where nothing beside the weights says it")
      ->type_name("N")
      ->check(whole_number(1));
  command->callback([options, &action] { action = [options] { return import_weights(*options); }; });
}

}  // namespace kablate
