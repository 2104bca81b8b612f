#include "record/portable_tree.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/claim.h"
#include "record/comparison.h"
#include "record/looks.h"
#include "record/reader.h"
#include "record/seal.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// NAME.tmp0123456789abcdef: of a write that is not done, or that a crash ended (base/file.h).
bool is_temporary(const std::string& name) {
  constexpr std::size_t kWord = 16;
  for (const std::string_view mark : {".tmp", ".new", ".probe"}) {
    const auto at = name.rfind(mark);
    if (at != std::string::npos && name.size() == at + mark.size() + kWord) return true;
  }
  return false;
}

class Survey {
 public:
  Survey(const ExperimentFolder& folder, bool with_checkpoints)
      : folder_(folder), with_checkpoints_(with_checkpoints) {}

  PortableTree make() {
    check_experiment();
    add_files(folder_.path());
    for (const auto& name : folder_.trial_folders()) add_trial(folder_.trial(name));
    name_other_folders();
    std::sort(tree_.files.begin(), tree_.files.end());
    return std::move(tree_);
  }

 private:
  template <typename Check>
  void check(Check&& check) {
    try {
      check();
    } catch (const UserError& fault) {
      tree_.faults.push_back(fault.what());
    } catch (const WorkError& fault) {
      tree_.faults.push_back(fault.what());
    } catch (const Json::exception& fault) {
      tree_.faults.push_back(str(folder_.path().string(), ": ", fault.what()));
    }
  }

  void check_sealed(const fs::path& file) {
    std::error_code ignored;
    if (fs::exists(file, ignored)) check([&] { read_sealed(file); });
  }

  void check_experiment() {
    const auto plan = read_plan(folder_);
    if (!plan.imported) check([&] { read_base_config(folder_); });
    for (const auto& file : {folder_.threads(), folder_.peak(), folder_.noise(), folder_.judge(),
                             folder_.audit(), folder_.path() / "runs.json"})
      check_sealed(file);
    check([&] { read_looks(folder_, &tree_.problems); });
  }

  void add_file(const fs::path& path) {
    tree_.files.push_back(path.lexically_relative(folder_.path()).string());
  }

  void add_files(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto name = entry.path().filename().string();
      const bool own = name.starts_with("claim.") || name.starts_with("claim-new.") ||
                       name == folder_.checked().filename() || is_temporary(name);
      if (entry.is_regular_file() && !own) add_file(entry.path());
    }
  }

  void add_trial(const TrialFolder& trial) {
    const auto where = trial.path().string();
    const auto record = read_trial(trial);
    if (record.state == TrialState::kRunning) {
      const auto owner = claim_owner(trial);
      tree_.left_out.push_back(str(where, ": ", owner ? describe(*owner) : "a process", " is working on it"));
      return;
    }
    if (record.state == TrialState::kDamaged) tree_.faults.push_back(record.reason);
    if (record.summary)
      for (const auto& damage : find_damage(trial, *record.summary))
        tree_.faults.push_back(str(where, ": ", damage));
    check_sealed(trial.heads()), check_sealed(trial.knockout());
    add_files(trial.path());
    if (with_checkpoints_) add_checkpoints(trial);
  }

  void add_checkpoints(const TrialFolder& trial) {
    std::error_code none;
    for (fs::directory_iterator entry(trial.checkpoint(), none), end; !none && entry != end; ++entry) {
      const auto folder = entry->path();
      if (!parse_int(folder.filename().string())) continue;  // one that is not whole
      check([&] {
        const Json manifest = read_sealed(folder / "manifest.json");
        for (const auto* name : {"weights.safetensors", "state.safetensors"})
          if (file_sha256((folder / name).string()) != manifest.at(name).get<std::string>())
            throw UserError(
                str((folder / name).string(), ": does not have the SHA-256 that manifest.json records"));
      });
      add_files(folder);
    }
  }

  // Nobody must think that they are packed.
  void name_other_folders() {
    const auto known = {folder_.trials(), folder_.tensorboard(), folder_.wandb(), folder_.trackio()};
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      if (entry.is_directory() && std::ranges::none_of(known, [&](const fs::path& path) {
            return path.filename() == entry.path().filename();
          }))
        tree_.left_out.push_back(str(entry.path().string(), ": no folder of an experiment"));
  }

  const ExperimentFolder& folder_;
  bool with_checkpoints_;
  PortableTree tree_;
};

}  // namespace

PortableTree portable_tree(const ExperimentFolder& folder, bool with_checkpoints) {
  return Survey(folder, with_checkpoints).make();
}

void refuse_faults(const PortableTree& tree) {
  if (tree.faults.empty()) return;
  const auto more = tree.faults.size() - 1;
  throw UserError(tree.faults.front() +
                  (more == 0 ? "" : str("; and ", more, " more of its files are not as they were")));
}

}  // namespace kablate
