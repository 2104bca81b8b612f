// A finished trial as its own folder tells it, and what it would take to train it again with this program.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "data/dataset.h"
#include "record/layout.h"
#include "record/summary.h"
#include "train/trial.h"

namespace kablate {

// What of this program and this machine a trial's numbers depend on.
struct Program {
  std::filesystem::path data_folder;    // prepared data
  std::filesystem::path source_folder;  // for environment.json
  Build build;
  std::string data_path =
      {};  // stands for a trial's DATA_PATH where the data have moved; "" is the trial's own
  std::string init_from = {};  // likewise for its INIT_FROM
};

struct StoredTrial {
  TrialFolder folder;
  TrialSummary summary;
  std::string key_text;  // key.txt
  Config config;         // with the Program's paths
  std::int64_t threads = 1, rerun_index = 0;

  std::string label() const;  // "step 2 gate+cross, seed 1"
};

// Throws UserError naming the file if the trial is not finished or its files can't be understood.
StoredTrial read_stored_trial(const TrialFolder& folder, const Program& program);

// Makes the text that key.txt would have if the trial were trained here and now; opens each data set once.
class KeysHere {
 public:
  explicit KeysHere(const Program& program) : program_(program) {}

  // Throws UserError if the data are missing or the device is.
  std::string text(const StoredTrial& trial);
  std::shared_ptr<const Dataset> data(const StoredTrial& trial);  // throws UserError if they are missing

 private:
  struct Opened {
    std::shared_ptr<const Dataset> data;
    std::string hash;
  };
  const Opened& opened(const StoredTrial& trial);
  const std::string& initial_hash(const StoredTrial& trial);  // of INIT_FROM's file, "" without one

  const Program& program_;
  std::map<std::string, Opened> opened_;               // by what the data come from
  std::map<std::string, std::string> initial_hashes_;  // by path
};

// How `kablate trial` is told to train it again; `key` is that of the text above.
TrialOrder order_again(const StoredTrial& trial, const std::string& key, const Program& program);

}  // namespace kablate
