#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "interchange/safetensors.h"
#include "model/parameters.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

struct InitOptions {
  ConfigOptions configuration;
  std::int64_t seed = 1;
  std::string out;
};

int write_initial_weights(const InitOptions& options) {
  const Config config = options.configuration.model_config("init", {"RA_MLA_ALLOW_NONCAUSAL"});
  if (const auto reason = blocked_reason(config); !reason.empty()) throw UserError(reason);
  const auto parameters =
      ParameterSet::initialized(model_parameters(config), static_cast<std::uint64_t>(options.seed));
  check_writable(options.out);
  write_safetensors(options.out, parameters.by_name());
  std::printf("%s: %s parameters in %zu tensors\n", options.out.c_str(),
              grouped(parameter_count(config)).c_str(), parameters.specs().size());
  return kExitDone;
}

}  // namespace

void add_init_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<InitOptions>();
  auto* command = app.add_subcommand("init", "Write freshly initialised weights");
  options->configuration.add_to(*command);
  command->add_option("--seed", options->seed, "Which ones")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command->add_option("--out", options->out, "The file to write")->type_name("W.safetensors")->required();
  command->callback([options, &action] { action = [options] { return write_initial_weights(*options); }; });
}

}  // namespace kablate
