#include "train/trial.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "measure/machine.h"
#include "measure/memory.h"
#include "runner/trial_command.h"
#include "train/stop_signal.h"

namespace kablate {

int run_trial_command(const std::vector<std::string>& arguments) {
  catch_stop_signals();
  count_tensor_memory();
  std::string folder;
  TrialOrder order = parse_trial_arguments(arguments, folder);
  order.source_folder = source_folder();
  order.build = this_build();
  make_deterministic(order.threads);
  switch (run_trial(TrialFolder(folder), order, Settings::from_file(kFromInput).bind())) {
    case TrialOutcome::kDone:
      return kExitDone;
    case TrialOutcome::kDiverged:
      return kTrialDiverged;
    case TrialOutcome::kHeldByAnother:
      break;
  }
  return kTrialHeldByAnother;
}

void add_time_command(CLI::App& app, Action& action) {
  struct Options {
    std::string config;
    std::int64_t threads = 1, iterations = 10;
    bool peak = false;
  };
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("time", "Print the milliseconds of an iteration")->group("");
  command->add_option("--config", options->config)->required();
  command->add_option("--threads", options->threads);
  command->add_option("--iterations", options->iterations);
  command->add_flag("--peak", options->peak, "Print the most bytes of tensors first");
  command->callback([options, &action] {
    action = [options] {
      catch_stop_signals();
      count_tensor_memory();
      make_deterministic(options->threads);
      const Config config = Settings::from_file(options->config).bind();
      const auto cost = time_iterations(config, options->iterations, data_folder());
      if (options->peak) std::printf("%s\n", str(cost.peak_tensor_bytes).c_str());
      std::printf("%s\n", fixed(cost.milliseconds, 4).c_str());
      return kExitDone;
    };
  });
}

}  // namespace kablate
