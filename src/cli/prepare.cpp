#include "cli/prepare.h"

#include <algorithm>
#include <filesystem>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "interchange/weights.h"
#include "measure/arithmetic.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "record/peak.h"
#include "record/writer.h"
#include "runner/timing.h"
#include "runner/trial_command.h"
#include "shape/model_shape.h"

namespace kablate {

PlanRecord describe_plan(const Plan& plan) {
  PlanRecord record;
  record.name = plan.name, record.text = plan.text, record.baseline = plan.baseline;
  record.arms = plan.arms;
  record.factors = plan.factors, record.seeds = plan.seeds;
  record.about = plan.about, record.notes = plan.step_notes;
  for (const auto& step : plan.steps) {
    auto described = describe_step(step.number, step.name, step.rerun_of, step.config);
    described.control = control_name(step.control), described.control_of = step.control_of;
    described.cell = step.cell, described.after = step.after, described.blocked = step.blocked;
    record.steps.push_back(std::move(described));
  }
  for (const auto& trial : plan.trials)
    record.trials.push_back(
        {.step = trial.step,
         .seed = trial.seed,
         .folder = trial_folder_name(
             {.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key})});
  return record;
}

c10::Device device_of_trials(const Config& base) {
  const c10::Device device = resolve_device(base.run.device);
  resolved_kernels(base.run.kernels, device);
  check_launcher(base.run.ranks, device);
  return device;
}

void prepare_gates(const Plan& plan) {
  make_deterministic(/*threads=*/1);                // the models are small
  const auto& run = plan.steps.front().config.run;  // no step changes either
  // A GPU that this machine lacks is no reason to refuse the gates: what they need one for runs on the CPU.
  const bool gpu = run.device == DeviceKind::kCuda;
  use_kernels(run.kernels, gpu ? c10::Device(c10::kCUDA, 0) : resolve_device(run.device));
}

std::vector<GateCheck> audit_first(Plan& plan) {
  prepare_gates(plan);
  const auto checks = audit_plan(plan);
  std::size_t blocked = 0;
  for (const auto& step : plan.steps) {
    const auto reason = failed_gates(checks, step.number);
    if (reason.empty()) continue;
    ++blocked;
    log_error(str("step ", step.number, " (", step.name, ") is blocked: ", reason));
    plan.block(step.number, reason);
  }
  if (blocked == 0)
    log_info(str("audit: ", checks.size(), " checks of ", plan.steps.size(), " steps passed"));
  return checks;
}

std::optional<std::int64_t> known_threads(const Config& base, const ExperimentFolder& folder,
                                          c10::Device device) {
  if (base.run.threads > 0) return base.run.threads;
  if (!device.is_cpu()) return 1;  // the work is on the GPU
  return read_threads(folder);
}

std::int64_t threads_of_trials(const Plan& plan, const Config& base, const ExperimentFolder& folder,
                               c10::Device device) {
  if (const auto threads = known_threads(base, folder, device)) return *threads;
  log_info("THREADS = 0: choosing the number of threads of a trial by measurement");
  const auto& heaviest =
      std::max_element(plan.steps.begin(), plan.steps.end(), [](const Step& a, const Step& b) {
        return flops_per_iteration(a.config) < flops_per_iteration(b.config);
      })->config;
  const auto choice = choose_threads(heaviest, std::ssize(plan.trials),
                                     std::max<std::int64_t>(1, available_cores() / base.run.ranks));
  constexpr double kNoticeable = 0.3;
  if (choice.busy_cores.value_or(0) > kNoticeable)
    log_warning(str("the machine was busy while THREADS was chosen: others had ",
                    fixed(*choice.busy_cores, 1), " of ", available_cores(), " cores; delete ",
                    folder.threads().string(), " to choose again when it is idle, or set THREADS"));
  // Two runs that begin together both measure; they must not differ, or each would train every trial.
  const Json measured = {{"table", choice.measured},
                         {"busy_cores_before", choice.busy_cores ? Json(*choice.busy_cores) : Json()}};
  const std::int64_t threads = write_threads_once(folder, choice.threads, measured);
  log_info(
      str("THREADS = ", threads, " for every trial of this experiment (", folder.threads().string(), ")"));
  return threads;
}

std::map<std::string, double> peaks_of_trials(const Plan& plan, const ExperimentFolder& folder,
                                              std::int64_t threads, c10::Device device) {
  std::map<std::string, double> result;
  auto known = read_peaks(folder);
  for (const auto& step : plan.steps) {
    const auto dtype = step.config.run.dtype;
    const auto name = dtype_name(dtype);
    if (result.contains(name)) continue;
    Peak peak;
    peak.host = host_name(), peak.device = device_class(device), peak.dtype = name, peak.threads = threads;
    const auto at =
        std::find_if(known.begin(), known.end(), [&](const Peak& other) { return other.is_of(peak); });
    if (at == known.end()) {
      peak.flops_per_second =
          measure_peak(device.is_cpu() ? DeviceKind::kCpu : DeviceKind::kCuda, dtype, threads);
      peak.measured = utc_now();
      known.push_back(peak);
      write_peaks(folder, known);
      log_info(str("a matrix product in ", name, " makes ", fixed(peak.flops_per_second / 1e9, 1),
                   " GFLOP/s, which utilisation is measured against (", folder.peak().string(), ")"));
    } else {
      peak = *at;
    }
    result[name] = peak.flops_per_second;
  }
  return result;
}

void assign_keys(Plan& plan, const Config& base, const Dataset& data, std::int64_t threads) {
  assign_keys(plan, base, data, threads, device_of_trials(base));
}

void assign_keys(Plan& plan, const Config& base, const Dataset& data, std::int64_t threads,
                 c10::Device device) {
  kablate::assign_keys(plan, KeyContext{.data_hash = data.hash(),
                                        .init_hash = initial_weights_hash(base),
                                        .threads = threads,
                                        .ranks = base.run.ranks,
                                        .device = device_class(device),
                                        .kernels = resolved_kernels(base.run.kernels, device),
                                        .torch_version = torch_version(),
                                        .build = this_build()});
}

void check_disk_space(const Plan& plan, std::int64_t trials_to_run, std::int64_t parallel,
                      const ExperimentFolder& folder, std::int64_t more) {
  std::int64_t parameters = 0;
  for (const auto& step : plan.steps) parameters = std::max(parameters, parameter_count(step.config));
  // A finished trial keeps its weights; one under way has two checkpoints and a third being written, each
  // with two moments.
  constexpr double kFloat = 4, kLogs = 1 << 20;
  const double need =
      static_cast<double>(more) +
      static_cast<double>(trials_to_run) * (kFloat * static_cast<double>(parameters) + kLogs) +
      static_cast<double>(std::min(parallel, trials_to_run)) * 9 * kFloat * static_cast<double>(parameters);
  std::error_code fault;
  const auto space = std::filesystem::space(folder.path(), fault);
  if (fault || need <= 0.9 * static_cast<double>(space.available)) return;
  throw UserError(str("results folder ", folder.path().string(), ": ", trials_to_run, " trials need about ",
                      human_bytes(need), " and ", human_bytes(static_cast<double>(space.available)),
                      " are free; allowed: at most 90 % of it. Free some, choose another with --results DIR "
                      "or RESULTS=DIR, or "
                      "run fewer trials"));
}

}  // namespace kablate
