#include "record/checked_files.h"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "record/layout.h"
#include "record/seal.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// Changes whenever a file is written again.
struct Stamp {
  std::int64_t bytes = 0, modified_ns = 0, changed_ns = 0;
  bool operator==(const Stamp&) const = default;
};

struct Known {
  Stamp stamp;
  std::string sha256;
};

std::optional<Stamp> stamp_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  const auto ns = [](const timespec& time) {
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
  };
  return Stamp{info.st_size, ns(info.st_mtim), ns(info.st_ctim)};
}

// Whether a change that followed at once could have left the same time: clocks of file systems tick slowly.
bool is_fresh(const Stamp& stamp) {
  constexpr std::int64_t kSettledNs = 2'000'000'000;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - stamp.modified_ns < kSettledNs;
}

// The experiment that a trial's file belongs to, by where it lies.
std::optional<ExperimentFolder> experiment_of(const fs::path& file) {
  const auto trials = file.parent_path().parent_path();
  const ExperimentFolder experiment(trials.parent_path());
  return experiment.trials() == trials ? std::optional(experiment) : std::nullopt;
}

std::string key_of_file(const ExperimentFolder& experiment, const fs::path& file) {
  return file.lexically_relative(experiment.trials()).string();
}

class Memory {
 public:
  std::string sha256_of(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    const auto file = fs::absolute(path).lexically_normal();
    const auto stamp = stamp_of(file);
    const auto experiment = experiment_of(file);
    if (experiment) load(*experiment);
    const auto found = known_.find(file.string());
    if (stamp && found != known_.end() && found->second.stamp == *stamp) return found->second.sha256;
    const std::string sum = file_sha256(file.string());
    if (!stamp || stamp_of(file) != stamp || is_fresh(*stamp)) return sum;
    known_[file.string()] = {*stamp, sum};
    if (experiment && static_cast<std::uintmax_t>(stamp->bytes) >= kRememberedBytes) save(*experiment);
    return sum;
  }

  void forget(const fs::path& folder) {
    const std::lock_guard lock(mutex_);
    const auto prefix = (fs::absolute(folder).lexically_normal() / "").string();
    std::erase_if(known_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
    if (const auto experiment = experiment_of(fs::path(prefix) / "x"))
      loaded_.insert(experiment->checked().string());
  }

 private:
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

  void save(const ExperimentFolder& experiment) {
    Json files = Json::object();
    for (const auto& [path, known] : known_)
      if (static_cast<std::uintmax_t>(known.stamp.bytes) >= kRememberedBytes && experiment_of(path) &&
          experiment_of(path)->path() == experiment.path())
        files[key_of_file(experiment, path)] = {{"bytes", known.stamp.bytes},
                                                {"modified_ns", known.stamp.modified_ns},
                                                {"changed_ns", known.stamp.changed_ns},
                                                {"sum", known.sha256}};
    try {
      write_file(experiment.checked(), sealed_text({{"files", files}}));
    } catch (const WorkError&) {  // a folder that can only be read: they are read again next time
    }
  }

  std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::set<std::string> loaded_;
};

Memory& memory() {
  static Memory instance;
  return instance;
}

}  // namespace

std::string remembered_sha256(const fs::path& file) { return memory().sha256_of(file); }

void forget_checked(const fs::path& folder) { memory().forget(folder); }

}  // namespace kablate
