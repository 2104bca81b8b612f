#include "runner/retrain.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <list>
#include <thread>

#include <csignal>

#include "base/error.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "config/settings.h"
#include "record/reader.h"
#include "runner/process.h"
#include "runner/trial_command.h"

namespace kablate {
namespace {

struct Running {
  std::size_t place;
  ChildProcess process;
};

ChildProcess start(Retraining trial, std::int64_t beside) {
  trial.order.beside = beside;
  return ChildProcess(trial_arguments(trial.folder, trial.order), full_dotconfig(trial.config),
                      launch_of_ranks(launcher_here(), trial.order.ranks));
}

RetrainEnd end_of(const Retraining& trial, const ExitStatus& status) {
  if (status.signal) return {{}, str("killed by signal ", *status.signal)};
  if (status.code == kExitDone)
    if (const auto summary = finished(trial.folder)) return {summary, ""};
  if (status.code == kTrialDiverged) return {{}, "diverged; see " + trial.folder.log().string()};
  return {{},
          str("exit code ", status.code.value_or(-1), ": ", last_words(status.output, trial.order.ranks))};
}

constexpr std::string_view kScratch = "kablate-retrain-";

void remove_abandoned(const std::filesystem::path& parent) {
  std::error_code fault, ignored;
  for (std::filesystem::directory_iterator entry(parent, fault), end; !fault && entry != end;
       entry.increment(fault))
    if (entry->path().filename().string().starts_with(kScratch) && abandoned(TrialFolder(entry->path())))
      std::filesystem::remove_all(entry->path(), ignored);
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::error_code fault;
  const auto parent = std::filesystem::temp_directory_path(fault);
  if (!fault) remove_abandoned(parent);
  std::string name = (parent / (std::string(kScratch) + "XXXXXX")).string();
  if (fault || ::mkdtemp(name.data()) == nullptr)
    throw UserError(str("TMPDIR = ", parent.string(), ": no folder can be made there (",
                        fault ? fault.message() : std::strerror(errno), "); set TMPDIR to one where it can"));
  path_ = name;
  claim_ = Claim::acquire(TrialFolder(path_));
}

ScratchFolder::~ScratchFolder() {
  claim_.reset();
  std::error_code ignored;
  if (!kept_) std::filesystem::remove_all(path_, ignored);
}

bool retrain(const std::vector<Retraining>& trials, std::int64_t parallel,
             const std::function<void(std::size_t, const RetrainEnd&)>& ended) {
  using namespace std::chrono_literals;
  std::list<Running> running;  // ends what still runs where something throws
  for (std::size_t next = 0; (next < trials.size() || !running.empty()) && !stop_requested();) {
    while (next < trials.size() && std::ssize(running) < parallel) {
      const auto beside = std::min(parallel, static_cast<std::int64_t>(trials.size())) - 1;
      running.push_back({next, start(trials[next], beside)});
      ++next;
    }
    for (auto it = running.begin(); it != running.end();) {
      const auto status = it->process.poll();
      if (status && !stop_requested()) ended(it->place, end_of(trials[it->place], *status));
      it = status ? running.erase(it) : std::next(it);
    }
    std::this_thread::sleep_for(20ms);
  }
  for (const auto& [place, process] : running) process.ask_to_stop();
  running.clear();  // waits for each
  return !stop_requested();
}

}  // namespace kablate
