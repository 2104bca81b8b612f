#include "train/trial.h"

#include <iostream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/config.h"
#include "distributed/device_ranks.h"
#include "distributed/nccl_messages.h"
#include "distributed/ranks.h"
#include "measure/gpus.h"
#include "measure/machine.h"
#include "measure/memory.h"
#include "runner/process.h"
#include "runner/trial_command.h"

namespace kablate {

namespace {

int exit_code_of(TrialOutcome outcome) {
  switch (outcome) {
    case TrialOutcome::kDone:
      return kExitDone;
    case TrialOutcome::kDiverged:
      return kTrialDiverged;
    case TrialOutcome::kHeldByAnother:
      break;
  }
  return kTrialHeldByAnother;
}

// A launcher gives its input to the first rank alone, through a pipe.
void share_input(Communicator& ranks) {
  std::ostringstream text;
  if (ranks.rank() == 0) text << std::cin.rdbuf();
  set_input(ranks.text_of(0, text.str()));
}

// What went wrong on some rank goes wrong on all, in its words: others would only miss it.
void throw_of_all(Communicator& ranks, const std::string& fault) {
  const auto faults =
      ranks.texts_of_all(fault.empty() ? "" : str("rank ", ranks.rank(), " on ", host_name(), ": ", fault));
  for (const auto& one : faults)
    if (!one.empty()) throw UserError(one);
}

// f(), and what it said of a user's fault; "" if nothing.
template <typename F>
std::string fault_of(const F& f) {
  try {
    f();
  } catch (const UserError& fault) {
    return fault.what();
  }
  return "";
}

// A rank that ends while others work would have them ended: so they wait for one another, unless something
// went wrong, and the first alone says how the trial ended.
int run_on_ranks(const std::string& folder, const TrialOrder& order) {
  const bool on_gpus = order.device != device_class(c10::kCPU);
  std::string fault;
  if (on_gpus) fault = fault_of([] { see_own_gpu(); });
  const auto ranks = ranks_by_mpi(order.ranks, host_name());
  const bool first = ranks->rank() == 0;
  share_input(*ranks);
  const Config config = Settings::from_file(kFromInput).bind();
  if (fault.empty())
    fault = fault_of([&] {
      const auto own = device_class(resolve_device(config.run.device));
      if (own != order.device)
        throw UserError(str("its device is ", own, ", where the trial is to train on ", order.device,
                            "; start ranks on machines of one kind, or set DEVICE to cpu"));
      if (on_gpus) nccl_module(order.ranks);
    });
  throw_of_all(*ranks, fault);
  const auto gpus = on_gpus ? ranks_by_nccl(*ranks, resolve_device(config.run.device)) : nullptr;
  Communicator& all = gpus ? static_cast<Communicator&>(*gpus) : *ranks;
  const auto finish = [&] {
    if (gpus) gpus->finish();
    ranks->finish();
  };
  try {
    const auto outcome = run_trial(TrialFolder(folder), order, config, all);
    finish();
    return first ? exit_code_of(outcome) : kExitDone;
  } catch (const Interrupted&) {
    finish();
    if (first) throw;
    return kExitDone;
  }
}

}  // namespace

int run_trial_command(const std::vector<std::string>& arguments) {
  catch_stop_signals();
  count_tensor_memory();
  std::string folder;
  TrialOrder order = parse_trial_arguments(arguments, folder);
  order.source_folder = source_folder();
  order.build = this_build();
  make_deterministic(order.threads);
  if (order.ranks > 1) return run_on_ranks(folder, order);
  return exit_code_of(run_trial(TrialFolder(folder), order, Settings::from_file(kFromInput).bind()));
}

void add_time_command(CLI::App& app, Action& action) {
  struct Options {
    std::vector<std::string> configs;
    std::int64_t threads = 1, iterations = 10;
    bool peak = false;
  };
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("time", "Print the milliseconds of an iteration")->group("");
  command->add_option("--config", options->configs)->required()->allow_extra_args(false);
  command->add_option("--threads", options->threads);
  command->add_option("--iterations", options->iterations);
  command->add_flag("--peak", options->peak, "Print the most bytes of tensors first");
  command->callback([options, &action] {
    action = [options] {
      catch_stop_signals();
      count_tensor_memory();
      make_deterministic(options->threads);
      for (const auto& file : options->configs) {
        const Config config = Settings::from_file(file).bind();
        const auto cost = time_iterations(config, options->iterations, data_folder());
        if (options->peak) std::printf("%s\n", str(cost.peak_tensor_bytes).c_str());
        std::printf("%s\n", fixed(cost.milliseconds, 4).c_str());
        std::fflush(stdout);  // who waits no longer has what is done
      }
      return kExitDone;
    };
  });
}

void add_peak_command(CLI::App& app, Action& action) {
  struct Options {
    std::string device = "auto", dtype = "float32";
    std::int64_t threads = 1;
  };
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("peak", "Print the FLOP/s of a large matrix product")->group("");
  command->add_option("--device", options->device);
  command->add_option("--dtype", options->dtype);
  command->add_option("--threads", options->threads);
  command->callback([options, &action] {
    action = [options] {
      auto settings = Settings::defaults();
      settings.set("DEVICE", options->device, "--device");
      settings.set("DTYPE", options->dtype, "--dtype");
      const Config config = settings.bind();
      catch_stop_signals();
      make_deterministic(options->threads);
      const double peak = matmul_flops_per_second(resolve_device(config.run.device), config.run.dtype,
                                                  throw_if_stop_requested);
      std::printf("%s\n", fixed(peak, 0).c_str());
      return kExitDone;
    };
  });
}

}  // namespace kablate
