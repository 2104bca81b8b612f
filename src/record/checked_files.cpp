#include "record/checked_files.h"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "record/file_stamp.h"
#include "record/layout.h"
#include "record/seal.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

struct Known {
  FileStamp stamp;
  std::string sha256;
};

// The experiment that a trial's file belongs to, by where it lies.
std::optional<ExperimentFolder> experiment_of(const fs::path& file) {
  const auto trials = file.parent_path().parent_path();
  const ExperimentFolder experiment(trials.parent_path());
  return experiment.trials() == trials ? std::optional(experiment) : std::nullopt;
}

class Memory {
 public:
  ~Memory() {
    try {
      keep();
    } catch (...) {  // everything is read again next time
    }
  }

  std::string sha256_of(const fs::path& path) {
    const auto stamp = stamp_of(path);
    if (!stamp || stamp->bytes < kRememberedBytes) return file_sha256(path.string());
    const auto file = fs::absolute(path).lexically_normal();
    const auto experiment = experiment_of(file);
    std::unique_lock lock(mutex_);
    if (experiment) load(*experiment);
    const auto found = known_.find(file.string());
    if (found != known_.end() && found->second.stamp == *stamp) return found->second.sha256;
    lock.unlock();
    const std::string sum = file_sha256(file.string());
    if (stamp_of(file) != stamp || !stamp->settled()) return sum;
    lock.lock();
    known_[file.string()] = {*stamp, sum};
    if (experiment) unsaved_.insert(experiment->path());
    if (Clock::now() >= next_save_) save_all();
    return sum;
  }

  void keep() {
    const std::lock_guard lock(mutex_);
    save_all();
  }

  void forget(const fs::path& folder) {
    const std::lock_guard lock(mutex_);
    const auto prefix = (fs::absolute(folder).lexically_normal() / "").string();
    std::erase_if(known_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
    if (const auto experiment = experiment_of(fs::path(prefix) / "x"))
      loaded_.insert(experiment->checked().string());
  }

 private:
  using Clock = std::chrono::steady_clock;

  void load(const ExperimentFolder& experiment) {
    if (!loaded_.insert(experiment.checked().string()).second) return;
    try {
      const Json json = read_sealed(experiment.checked());
      for (const auto& [name, entry] : json.at("files").items())
        known_.try_emplace(
            (experiment.trials() / name).lexically_normal().string(),
            Known{{entry.at("bytes"), entry.at("modified_ns"), entry.at("changed_ns")}, entry.at("sum")});
    } catch (const UserError&) {  // none, or damaged: everything is read again
    } catch (const Json::exception&) {
    }
  }

  void save_all() {
    constexpr int kRest = 20;  // times as long as it takes
    const auto began = Clock::now();
    for (const auto& path : unsaved_) save(ExperimentFolder(path));
    unsaved_.clear();
    next_save_ = Clock::now() + kRest * (Clock::now() - began);
  }

  void save(const ExperimentFolder& experiment) {
    Json files = Json::object();
    const auto prefix = (experiment.trials() / "").string();
    for (auto at = known_.lower_bound(prefix); at != known_.end() && at->first.starts_with(prefix); ++at)
      files[at->first.substr(prefix.size())] = {{"bytes", at->second.stamp.bytes},
                                                {"modified_ns", at->second.stamp.modified_ns},
                                                {"changed_ns", at->second.stamp.changed_ns},
                                                {"sum", at->second.sha256}};
    try {
      write_file(experiment.checked(), sealed_text({{"files", files}}));
    } catch (const WorkError&) {  // a folder that can only be read: they are read again next time
    }
  }

  std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::set<std::string> loaded_;
  std::set<fs::path> unsaved_;
  Clock::time_point next_save_;
};

Memory& memory() {
  static Memory instance;
  return instance;
}

}  // namespace

std::string remembered_sha256(const fs::path& file) { return memory().sha256_of(file); }

void keep_checked() { memory().keep(); }

void forget_checked(const fs::path& folder) { memory().forget(folder); }

}  // namespace kablate
