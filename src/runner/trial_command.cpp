#include "runner/trial_command.h"

#include <cstdlib>
#include <map>
#include <utility>

#include <unistd.h>

#include "base/error.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "distributed/life_signs.h"
#include "distributed/mpi_transport.h"
#include "distributed/nccl_messages.h"
#include "measure/gpus.h"
#include "train/follow.h"

namespace kablate {
namespace {

// "" where there is none.
std::string on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const auto& folder : split(path == nullptr ? "" : path, ':'))
    if (const auto file = folder + "/" + program; !folder.empty() && ::access(file.c_str(), X_OK) == 0)
      return file;
  return "";
}

constexpr const char* kHostfile = "OMPI_MCA_orte_default_hostfile";

// In which ranks that have met tell one another that one is lost, and a little more.
std::int64_t seconds_to_miss_a_rank() {
  return static_cast<std::int64_t>(2 * LifeLimits().silence_seconds) + 4;
}

}  // namespace

std::vector<std::string> trial_arguments(const TrialFolder& folder, const TrialOrder& order) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return {"trial",     folder.path().string(),
          "--step",    number(order.step),
          "--seed",    number(order.seed),
          "--rerun",   number(order.rerun_index),
          "--name",    order.name,
          "--key",     order.key,
          "--threads", number(order.threads),
          "--ranks",   number(order.ranks),
          "--device",  order.device,
          "--beside",  number(order.beside),
          "--peak",    shortest(order.peak_flops),
          "--data",    order.data_folder.string(),
          "--begun",   order.begun_in.string()};
}

TrialOrder parse_trial_arguments(const std::vector<std::string>& arguments, std::string& folder) {
  if (arguments.size() % 2 != 1)
    throw UserError("kablate trial: is started by `kablate run`, with a folder and its options");
  folder = arguments[0];
  std::map<std::string, std::string> values;
  for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) values[arguments[i]] = arguments[i + 1];
  const auto text = [&](const char* option) {
    const auto found = values.find(option);
    if (found == values.end())
      throw UserError(str("kablate trial: ", option, " is missing; trials are started by `kablate run`"));
    return found->second;
  };
  const auto number = [&](const char* option) {
    const auto value = parse_int(text(option));
    if (!value)
      throw UserError(str("kablate trial: ", option, " = \"", text(option), "\": allowed: a whole number"));
    return *value;
  };
  return {.step = number("--step"),
          .seed = number("--seed"),
          .rerun_index = number("--rerun"),
          .name = text("--name"),
          .key = text("--key"),
          .threads = number("--threads"),
          .ranks = number("--ranks"),
          .beside = number("--beside"),
          .device = text("--device"),
          .peak_flops = parse_real(text("--peak")).value_or(0),
          .data_folder = text("--data"),
          .source_folder = {},
          .begun_in = text("--begun"),
          .build = {}};
}

Launcher launcher_here() {
  const bool allocated = std::getenv("SLURM_JOB_ID") != nullptr;
  return allocated && !on_path("srun").empty() ? Launcher::kSrun : Launcher::kMpirun;
}

bool ranks_stay_here() { return launcher_here() == Launcher::kMpirun && std::getenv(kHostfile) == nullptr; }

ChildProcess::Launch launch_of_ranks(Launcher launcher, std::int64_t ranks) {
  if (ranks == 1) return {.words = {}, .gpus = 1};
  const char* name = launcher == Launcher::kSrun ? "srun" : "mpirun";
  const std::string program = on_path(name);
  if (program.empty())
    throw UserError(str("RANKS = ", ranks, ": there is no ", name, " on PATH; `make RANKS=", ranks,
                        "` installs Open MPI (Debian's openmpi-bin), or set RANKS to 1"));
  const std::string count = std::to_string(ranks);
  if (launcher == Launcher::kSrun)
    // The step that this process runs in has the job's CPUs already. The first rank's exit code is the
    // trial's: a lost rank is missed by the others (exchange.h), not by srun, which would end those that are
    // about to end. But for one that is lost before they have met: then srun waits so many seconds for them.
    return {.words = {program, "--mpi=pmix", "--ntasks", count, "--overlap", "--input=0",
                      "--kill-on-bad-exit=0", "--cpu-bind=none", str("--wait=", seconds_to_miss_a_rank())},
            .gpus = 0};
  // Cores are the system's to share: trials side by side would all be bound to the first ones.
  std::vector<std::string> words{program, "-np", count, "--oversubscribe", "--bind-to", "none"};
  // By default mpirun misses a host that is gone after minutes, and then waits for its answer.
  for (const auto* setting : {"time 3", "intvl 2", "probes 3"})
    for (const auto& word : split(str("--mca oob_tcp_keepalive_", setting), ' ')) words.push_back(word);
  if (::geteuid() == 0) words.emplace_back("--allow-run-as-root");  // as the user chose to
  return {.words = std::move(words), .gpus = ranks};
}

void check_launcher(std::int64_t ranks, c10::Device device) {
  if (ranks == 1) return;
  mpi_module(ranks);
  launch_of_ranks(launcher_here(), ranks);
  if (device.is_cpu()) return;
  nccl_module(ranks);
  const auto gpus = std::ssize(visible_gpus());
  if (ranks_stay_here() && gpus < ranks)
    throw UserError(str("RANKS = ", ranks, " on GPUs: each rank needs one, and there are ", gpus,
                        " here; allowed: RANKS of 1 to ", gpus, ", or any with DEVICE = cpu; ", kHostfile,
                        " names more hosts to mpirun"));
}

bool was_stopped(const ExitStatus& status, std::int64_t ranks) {
  constexpr int kBySignal = 128;  // what a shell, mpirun and srun add to it
  const int number = status.signal.value_or(status.code.value_or(0) - kBySignal);
  return status.code == kExitInterrupted || is_stop_signal(number) ||
         (ranks > 1 && last_words(status.output, ranks).starts_with(kRanksStopped));
}

std::string last_words(std::string_view output, std::int64_t ranks) {
  constexpr std::string_view kPrefix = "kablate: ", kOnNode = " on node ", kSrun = "srun: error: ";
  std::string last, own, killed;
  for (const auto& line : split(trim(output), '\n')) {
    const bool ours = line.starts_with(kPrefix);
    last = ours ? line.substr(kPrefix.size()) : line;
    if (ours) own = last;
    if (line.find("noticed that process rank") != std::string::npos) killed = line;
    const bool said_why = line.find("Exited with exit code") != line.npos;  // the program did, before
    if (line.starts_with(kSrun) && line.find(": task") != line.npos && !said_why && killed.empty())
      killed = line.substr(kSrun.size());  // the others are killed after it
    if (const auto at = line.find(kOnNode);
        line.find("Remote daemon") != std::string::npos && at != line.npos)
      killed = str("the connection to ", line.substr(at + kOnNode.size()), ", where ranks run, was lost");
  }
  if (ranks == 1) return last;
  return !killed.empty() ? killed : !own.empty() ? own : last;
}

}  // namespace kablate
