// Trains trials in a scratch folder, each in a process of its own, apart from any results.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "record/claim.h"
#include "record/layout.h"
#include "record/summary.h"
#include "train/trial.h"

namespace kablate {

// A folder of its own under the system's one for temporary files (TMPDIR), removed at the end unless kept.
// Those that killed processes left there are removed first: a claim (record/claim.h) tells whose they were.
class ScratchFolder {
 public:
  ScratchFolder();  // throws UserError if none can be made
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<Claim> claim_;
  bool kept_ = false;
};

struct Retraining {
  TrialFolder folder;  // to be made, in the scratch folder
  Config config;
  TrialOrder order;
};

struct RetrainEnd {
  std::optional<TrialSummary> summary;  // of a trial that got to its end
  std::string failure;                  // why another did not
};

// Trains them all, `parallel` at once. `ended` is called with the place of each as it ends. False if a signal
// stopped it: the processes have ended then. REQUIRES: stop signals are caught (base/stop_signal.h).
bool retrain(const std::vector<Retraining>& trials, std::int64_t parallel,
             const std::function<void(std::size_t, const RetrainEnd&)>& ended);

}  // namespace kablate
