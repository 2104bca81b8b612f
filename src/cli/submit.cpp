#include <algorithm>
#include <filesystem>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/prepare.h"
#include "cli/prepared_run.h"
#include "cluster/slurm.h"
#include "cluster/slurm_script.h"
#include "cluster/submission.h"
#include "cluster/task_map.h"
#include "config/enum_names.h"
#include "config/settings.h"
#include "distributed/mpi_transport.h"
#include "distributed/nccl_messages.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "record/claim.h"
#include "record/writer.h"
#include "runner/runner.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kUsualMost = 1000;  // tasks of an array, where Slurm does not say

struct SubmitOptions : PlanOptions {
  bool dry_run = false, retry = false;
};

// What a task gets, which this machine need not have.
struct Place {
  c10::Device device = c10::kCPU;
  std::int64_t threads = 1, cpus = 1;
};

c10::Device device_of_tasks(const Config& base) {
  const auto device = base.run.device;
  if (base.run.ranks > 1) mpi_module(base.run.ranks);  // there, before anything is submitted
  if (base.slurm.gpus > 0) {
    if (device == DeviceKind::kCpu)
      throw UserError(str("SLURM_GPUS = ", base.slurm.gpus,
                          " with DEVICE = cpu: no trial would use a GPU; set "
                          "SLURM_GPUS = 0, or DEVICE to auto or cuda"));
    if (!torch_is_cuda_build())
      throw UserError(str("SLURM_GPUS = ", base.slurm.gpus,
                          ": this program is linked with a CPU build of LibTorch, which uses no GPU; "
                          "`KABLATE_TORCH_INDEX=https://pypi.org/simple make build` takes the CUDA build"));
    if (base.run.ranks > 1) nccl_module(base.run.ranks);
    return {c10::kCUDA, 0};
  }
  if (device == DeviceKind::kCuda)
    throw UserError("DEVICE = cuda with SLURM_GPUS = 0: a trial would get no GPU; set SLURM_GPUS = 1");
  return c10::kCPU;
}

// THREADS, or the CPUs that are asked for, or what the experiment's trials have had so far: the cores of
// another machine are not measured here.
Place place_of_tasks(const PreparedRun& run) {
  const auto& base = run.base;
  Place place{.device = device_of_tasks(base)};
  const auto before = read_threads(run.folder);
  const bool chosen = base.run.threads == 0 && place.device.is_cpu();
  if (base.run.threads > 0)
    place.threads = base.run.threads;
  else if (!place.device.is_cpu())
    place.threads = 1;
  else if (base.slurm.cpus > 0 || before)
    place.threads = base.slurm.cpus > 0 ? base.slurm.cpus : *before;
  else
    throw UserError(
        "SLURM_CPUS = 0 with THREADS = 0: how many threads a trial has on the cluster is not "
        "measured here; set SLURM_CPUS (or THREADS)");
  if (chosen && before && *before != place.threads)
    throw UserError(str("SLURM_CPUS = ", base.slurm.cpus, ": trials of ", run.folder.path().string(),
                        " have ", *before, " threads (", run.folder.threads().string(),
                        "), and are not paired with others; allowed: SLURM_CPUS = ", *before,
                        ", THREADS = ", *before, " with more CPUs, or another EXPERIMENT_NAME"));
  place.cpus = base.slurm.cpus > 0 ? base.slurm.cpus : place.threads;
  if (place.threads > place.cpus)
    throw UserError(str("THREADS = ", place.threads, " with SLURM_CPUS = ", place.cpus,
                        ": a trial's threads would share its CPUs; allowed: at most ", place.cpus));
  return place;
}

// Of the trials that are to be trained, those that nobody is at.
struct Chosen {
  std::vector<std::size_t> trials;  // places in the plan
  std::int64_t queued = 0, held = 0;
};

Chosen choose(const PreparedRun& run, const SubmitOptions& options) {
  Chosen chosen;
  std::map<std::string, SlurmTask> queued;
  if (!submissions(run.folder).empty() && !options.dry_run) {
    std::string why;
    const auto tasks = queued_tasks(&why);
    if (!tasks) throw UserError(str(why, "; without it trials that wait already would be submitted again"));
    queued = tasks_by_trial(run.folder, *tasks);
  }
  for (const auto i : trials_to_run(run, options.retry)) {
    const auto& trial = run.plan.trials[i];
    const auto name =
        trial_folder_name({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
    if (queued.contains(name))
      ++chosen.queued;
    else if (claim_owner(run.folder.trial(name)))
      ++chosen.held;
    else
      chosen.trials.push_back(i);
  }
  return chosen;
}

Submission submission_of(const PreparedRun& run, const Chosen& chosen, const Place& place, bool retry) {
  Submission submission{.created = utc_now(),
                        .data = fs::absolute(data_folder()),
                        .threads = place.threads,
                        .retry = retry,
                        .trials = {}};
  for (const auto i : chosen.trials) {
    const auto& trial = run.plan.trials[i];
    submission.trials.push_back({.step = trial.step,
                                 .name = trial.name,
                                 .seed = trial.seed,
                                 .rerun_index = trial.rerun_index,
                                 .key = trial.key});
  }
  return submission;
}

// With what the machines there are to settle as it was settled here.
std::string config_of_tasks(Config config, const Place& place) {
  config.run.device = place.device.is_cpu() ? DeviceKind::kCpu : DeviceKind::kCuda;
  const auto kernels = resolved_kernels(config.run.kernels, place.device);
  for (const auto kind : {KernelKind::kPortable, KernelKind::kAvx2, KernelKind::kAvx512})
    if (enum_name(kind) == kernels) config.run.kernels = kind;
  config.run.threads = place.threads;
  return full_dotconfig(config);
}

SlurmJob job_of(const PreparedRun& run, const SubmissionFolder& folder, const Place& place) {
  SlurmJob job{.experiment = run.base.run.experiment,
               .program = fs::absolute(folder.program()),
               .folder = fs::absolute(folder.path()),
               .results = fs::absolute(run.folder.path()),
               .cpus = place.cpus,
               .ranks = run.base.run.ranks,
               .libraries = installed_libraries()};
  if (job.folder.string().find_first_of("\"\n") != std::string::npos)
    throw UserError(str("results folder ", job.folder.string(),
                        ": sbatch takes no path with quotes or line ends; choose another with --results DIR "
                        "or RESULTS=DIR"));
  return job;
}

int print_scripts(const PreparedRun& run, const Chosen& chosen, const Place& place) {
  const auto& options = run.base.slurm;
  const SubmissionFolder folder(run.folder.slurm() / "NUMBER");
  const auto job = job_of(run, folder, place);
  std::printf("%s", array_script(options, job).c_str());
  for (const auto& part : array_parts(std::ssize(chosen.trials), most_array_tasks().value_or(kUsualMost)))
    std::printf(
        "# %s\n",
        join(array_call(options, part, folder.array_script(), part.first == 0 ? "" : "ARRAY"), " ").c_str());
  std::printf("\n%s# %s\n", report_script(options, job).c_str(),
              join(report_call(folder.report_script(), {"ARRAY"}), " ").c_str());
  return kExitDone;
}

// A program that is built again meanwhile would make other trials.
void copy_program(const SubmissionFolder& folder, std::int64_t ranks, c10::Device device) {
  std::error_code fault;
  fs::copy_file("/proc/self/exe", folder.program(), fault);
  std::vector<fs::path> modules;
  if (ranks > 1) modules.push_back(mpi_module(ranks));
  if (ranks > 1 && !device.is_cpu()) modules.push_back(nccl_module(ranks));
  for (const auto& module : modules)
    if (!fault) fs::copy_file(module, folder.path() / module.filename(), fault);
  if (fault) throw WorkError(str(folder.program().string(), ": can't be written (", fault.message(), ")"));
}

void write_files(const SubmissionFolder& folder, const PreparedRun& run, const Submission& submission,
                 const Place& place) {
  const auto job = job_of(run, folder, place);
  copy_program(folder, run.base.run.ranks, place.device);
  for (const auto& trial : submission.trials) {
    const auto* step = run.plan.find_step(trial.step);
    std::error_code ignored;
    if (!fs::exists(folder.config(trial.step), ignored))
      write_file(folder.config(trial.step), config_of_tasks(step->config, place));
  }
  write_file(folder.array_script(), array_script(run.base.slurm, job));
  write_file(folder.report_script(), report_script(run.base.slurm, job));
  write_submission(folder, submission);  // the last, since a task reads it first
}

// The ids of the arrays. Throws WorkError where only some were taken.
std::vector<std::string> submit_arrays(const SubmissionFolder& folder, const SlurmOptions& options,
                                       std::int64_t tasks) {
  const auto unset = overruling_variables(options);
  std::vector<std::string> ids;
  for (const auto& part : array_parts(tasks, most_array_tasks().value_or(kUsualMost))) try {
      ids.push_back(
          submit_job(array_call(options, part, folder.array_script(), ids.empty() ? "" : ids.back()), unset));
      add_job(folder, {ids.back(), part.first, part.count});
    } catch (const UserError& fault) {
      if (ids.empty()) throw;
      throw WorkError(str(fault.what(), "; ", part.first, " of ", tasks,
                          " trials were submitted before, as job ", join(ids, ", "), " (`scancel ",
                          join(ids, " "), "` ends them); submit again for the others, and for the table"));
    }
  return ids;
}

// The id of the report's job. The trials are worth as much without it.
std::string submit_report(const SubmissionFolder& folder, const SlurmOptions& options,
                          const std::vector<std::string>& arrays) {
  try {
    const auto id = submit_job(report_call(folder.report_script(), arrays), overruling_variables(options));
    add_job(folder, {id, 0, 0});
    return id;
  } catch (const UserError& fault) {
    log_warning(str("no job for the table: ", fault.what(), "; when the trials are done, `kablate report ",
                    folder.experiment().path().string(), "` prints it"));
    return "";
  }
}

void say_left_out(const Chosen& chosen) {
  if (chosen.queued > 0)
    log_info(str(chosen.queued, chosen.queued == 1 ? " trial is" : " trials are",
                 " in Slurm's queue already and not submitted again"));
  if (chosen.held > 0)
    log_info(str(chosen.held, chosen.held == 1 ? " trial is" : " trials are",
                 " being trained by a run of their own and not submitted"));
}

int submit(const SubmitOptions& options) {
  PreparedRun run = prepare_run(options);
  check_slurm(run.base.slurm);
  const Place place = place_of_tasks(run);
  assign_keys(run.plan, run.base, *run.data, place.threads, place.device);
  Chosen chosen = choose(run, options);
  say_left_out(chosen);
  if (chosen.trials.empty()) {
    if (options.retry && chosen.queued + chosen.held == 0) return say_nothing_failed(run);
    log_info(str(run.folder.path().string(), ": there is nothing to submit: of the plan's ",
                 run.plan.trials.size(), " trials none is left for it; `kablate status ",
                 run.folder.path().string(), "` (`make status`) shows what there is"));
    return kExitDone;
  }
  if (options.dry_run) return print_scripts(run, chosen, place);
  make_writable_folder(run.folder.path());
  if (run.base.run.threads == 0 && place.device.is_cpu())
    write_threads_once(run.folder, place.threads, {{"SLURM_CPUS", run.base.slurm.cpus}});
  // Whatever SLURM_TASKS_AT_ONCE is: what was interrupted waits with its checkpoints while others train.
  audit_and_write(run, std::ssize(chosen.trials), std::ssize(chosen.trials));
  std::erase_if(chosen.trials, [&](std::size_t i) { return !run.plan.trials[i].blocked.empty(); });
  if (chosen.trials.empty()) throw WorkError("every step is blocked: nothing was submitted");
  if (choose(run, options).trials != chosen.trials)  // the gates took their time
    throw WorkError("another run or submission has begun trials of this plan meanwhile; submit again");
  if (run.base.run.kernels == KernelKind::kAuto && place.device.is_cpu())
    log_info(str("KERNELS = auto is ", resolved_kernels(KernelKind::kAuto, place.device),
                 " on this machine, and for all tasks; where those have other processors say which: "
                 "KERNELS = avx512, avx2 or portable"));
  const auto submission = submission_of(run, chosen, place, options.retry);
  const auto folder = new_submission(run.folder);
  write_files(folder, run, submission, place);
  auto ids = submit_arrays(folder, run.base.slurm, std::ssize(submission.trials));
  const auto arrays = join(ids, ", "), report = submit_report(folder, run.base.slurm, ids);
  if (!report.empty()) ids.push_back(report);
  log_info(str("submitted ", submission.trials.size(), submission.trials.size() == 1 ? " trial" : " trials",
               " as job ", arrays, report.empty() ? "" : ", the table as job " + report, " (",
               folder.path().string(), "); `kablate status ", run.folder.path().string(),
               "` (`make status`) shows how far they are, `scancel ", join(ids, " "), "` ends them"));
  return kExitDone;
}

}  // namespace

void add_submit_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<SubmitOptions>();
  options->configuration.to_slurm = true;
  auto* command = app.add_subcommand(
      "submit", "Have Slurm train every trial of the plan that is not finished, and make the report");
  options->add_to(*command);
  options->add_init_from(*command);
  command->add_flag("--dry-run", options->dry_run,
                    "Print what sbatch would be given; write and submit nothing");
  command->add_flag("--retry", options->retry, "Those alone whose last attempt failed or diverged");
  command->callback([options, &action] { action = [options] { return submit(*options); }; });
}

}  // namespace kablate
