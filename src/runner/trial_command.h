// The command line between the runner and the process of a trial, or the processes of its ranks: built and
// parsed here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <c10/core/Device.h>

#include "record/layout.h"
#include "runner/process.h"
#include "train/trial.h"

namespace kablate {

// Exit codes that only the runner sees, beside those of base/error.h.
constexpr int kTrialDiverged = 10;
constexpr int kTrialHeldByAnother = 11;

// Where a process started by the runner finds its configuration, every symbol of it: a file would have to be
// written before the folder is claimed, over the one that another run's trial may have there. Of several
// ranks the first has it.
constexpr const char* kFromInput = "/dev/stdin";

// `kablate trial FOLDER … < CONFIG`; what the process knows by itself (sources) is left out.
std::vector<std::string> trial_arguments(const TrialFolder& folder, const TrialOrder& order);

// The way back, from the arguments after `trial`. Throws UserError.
TrialOrder parse_trial_arguments(const std::vector<std::string>& arguments, std::string& folder);

// What starts the ranks of a trial: srun within an allocation of Slurm's, where there is one, or mpirun.
enum class Launcher { kMpirun, kSrun };
Launcher launcher_here();

// Whether ranks are started on this host alone, as far as is known: by mpirun without a list of hosts.
bool ranks_stay_here();

// What starts the program `ranks` times: nothing for one rank. On which hosts, and by srun on which GPUs, is
// the launcher's to know (docs/ranks.md). Throws UserError where it is not installed.
ChildProcess::Launch launch_of_ranks(Launcher launcher, std::int64_t ranks);

// Throws UserError if trials of so many ranks can't be started here: for lack of MPI, or on this device.
void check_launcher(std::int64_t ranks, c10::Device device);

// Whether it ended by a signal that asks to stop: as its exit status says, or of ranks, whose launcher has a
// status of its own, the first rank's words.
bool was_stopped(const ExitStatus& status, std::int64_t ranks);

// The line of what a trial's process printed that says why it ended: the last. Of several ranks the launcher
// goes on to speak: its line on a rank or a host that was lost, or the program's last.
std::string last_words(std::string_view output, std::int64_t ranks);

}  // namespace kablate
