// What the subcommands share: where a configuration comes from and what it is changed by.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "config/settings.h"
#include "plan/key.h"
#include "record/layout.h"

namespace kablate {

struct Config;
struct Plan;

// --config and --set.
struct ConfigOptions {
  std::string file;
  std::vector<std::string> assignments;
  // Otherwise a SLURM_ symbol that is set for this call alone would be ignored, and is refused.
  bool to_slurm = false;

  void add_to(CLI::App& command);
  Settings settings() const;  // baked or the file's, then the assignments in order

  // Typed, for a command that makes a model and trains none; checked for that, and that the command reads
  // what is given on its command line: symbols of the model, and `more` (config/unread.h).
  // GPT2_VOCAB_SIZE = 0 asks the data, as with_vocabulary, and so reads what names them.
  Config model_config(std::string_view command, std::vector<std::string_view> more,
                      const std::string& data_path = "") const;
};

// What names the data, where a command reads them for the sake of GPT2_VOCAB_SIZE = 0.
inline constexpr std::array<std::string_view, 11> kDataSymbols{"DATASET",
                                                               "TOKENIZER",
                                                               "DATA_PATH",
                                                               "SYNTHETIC_VOCAB_SIZE",
                                                               "SYNTHETIC_TRAIN",
                                                               "SYNTHETIC_TEST",
                                                               "MQAR_PAIRS",
                                                               "SYNTHETIC_NOISE",
                                                               "SYNTHETIC_COPY",
                                                               "SYNTHETIC_MOTIF",
                                                               "SYNTHETIC_NOISE_VOCAB_SIZE"};
bool asks_data(const Config& config);

// The settings with GPT2_VOCAB_SIZE = 0 as the number that the data need, which are opened for it; in
// `data_path`, where it is not empty, instead of DATA_PATH. Throws UserError as open_dataset does.
Settings with_vocabulary(Settings settings, const std::string& data_path = "");

// Of a command that takes a trained model: throws UserError unless it is given either `run`, which brings its
// own configuration, or `weights`.
void check_source(const ConfigOptions& configuration, const std::string& run, const std::string& weights,
                  std::string_view command);

// Of a command that reads a plan: --plan, which stands for ABLATION_PLAN.
void add_plan_option(CLI::App& command, std::string& name);

// The above with --plan, --steps, --seeds and --results.
struct PlanOptions {
  ConfigOptions configuration;
  std::string plan_name, steps, seeds, init_from, results = "results";

  void add_to(CLI::App& command);
  void add_init_from(CLI::App& command);  // of what trains, or says what would be trained
  Settings settings() const;
  Plan plan() const;
  ExperimentFolder experiment(const Settings& settings) const;
};

// with_vocabulary as make_plan takes it, and the plan of the program's plans that it makes.
Settings settle(Settings settings);
Plan plan_of(const Settings& settings);

// Checks of an option's text: "" by mistake (an unset shell variable) would mean the default, and CLI11's own
// conversion doesn't say what is allowed.
CLI::Validator not_empty();
CLI::Validator whole_number(std::int64_t least);

// Whether `path` is `folder` or lies in it; neither needs to be there.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

// Whether a RESULT_DIR is an experiment's folder; else it should be a trial's (record/layout.h).
bool is_experiment(const std::string& path);

// Folders that belong to the program rather than to the user. The sources: the checkout that the build folder
// lies in; of an installed program share/kablate, which has plans and no git; else (make O=DIR) the one that
// the program was built from, with a warning where it has been moved since.
std::filesystem::path source_folder();
std::filesystem::path plans_folder();
std::filesystem::path data_folder();
std::filesystem::path installed_libraries();  // where `make install` has put LibTorch; "" if it has not

// This program, as a trial's key knows it.
Build this_build();

}  // namespace kablate
