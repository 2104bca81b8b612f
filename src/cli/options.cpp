#include "cli/options.h"

#include <map>
#include <utility>

#include <build_flags.h>
#include <source_key.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "config/enum_names.h"
#include "config/unread.h"
#include "data/dataset.h"
#include "plan/plan.h"

namespace kablate {

void ConfigOptions::add_to(CLI::App& command) {
  command.add_option("--config", file, "A .config or defconfig instead of the one that was built in")
      ->type_name("FILE")
      ->check(not_empty());
  command.add_option("--set", assignments, "Change one symbol, named without CONFIG_; may be repeated")
      ->type_name("SYMBOL=VALUE")
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

namespace {

// A name that was meant for one of the defconfigs, perhaps misspelt, is told where that lies.
void check_config_file(const std::string& file) {
  std::error_code ignored;
  if (file.empty() || std::filesystem::exists(file, ignored)) return;
  const auto folder = source_folder() / "defconfigs";
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator entry(folder, ignored), end; entry != end;
       entry.increment(ignored))
    if (entry->is_regular_file(ignored)) names.push_back(entry->path().filename());
  const auto name = nearest_name(std::filesystem::path(file).filename().string(), names);
  throw UserError(str("--config ", file, ": no such file; ",
                      name.empty() ? str("defconfigs lie in ", folder.string())
                                   : str("did you mean ", (folder / name).string(), "?")));
}

}  // namespace

Settings ConfigOptions::settings() const {
  check_config_file(file);
  Settings settings = file.empty() ? Settings::baked() : Settings::from_file(file);
  for (const auto& assignment : assignments) {
    if (!to_slurm && assignment.starts_with("SLURM_"))
      throw UserError(
          str("--set ", assignment, ": only `kablate submit` (`make submit`) reads it; leave it out"));
    settings.set_assignment(assignment, "--set");
  }
  return settings;
}

Config ConfigOptions::model_config(std::string_view command, std::vector<std::string_view> more,
                                   const std::string& data_path) const {
  const Settings given = settings();
  if (asks_data(given.bind())) more.insert(more.end(), kDataSymbols.begin(), kDataSymbols.end());
  const Config config = with_vocabulary(given, data_path).bind();
  validate_model(config);
  check_read(given, command, more);
  return config;
}

bool asks_data(const Config& config) { return config.gpt.vocabulary == 0; }

Settings with_vocabulary(Settings settings, const std::string& data_path) {
  static std::map<std::string, std::int64_t> known;  // the data of a plan's steps are opened once
  Config config = settings.bind();
  if (!asks_data(config)) return settings;
  if (!data_path.empty()) config.data.path = data_path;
  const auto data =
      str(enum_name(config.data.dataset), " ", enum_name(config.data.tokenizer), " ",
          config.objective.masked(), " ", config.data.synthetic.vocabulary, " ", config.data.path);
  auto& ids = known[data];
  if (ids == 0) ids = needed_vocabulary(config, data_folder());
  settings.settle("GPT2_VOCAB_SIZE", std::to_string(ids));
  return settings;
}

Settings settle(Settings settings) { return with_vocabulary(std::move(settings)); }

Plan plan_of(const Settings& settings) { return make_plan(settings, plans_folder(), settle); }

void check_source(const ConfigOptions& configuration, const std::string& run, const std::string& weights,
                  std::string_view command) {
  if (run.empty() == weights.empty())
    throw UserError(str("kablate ", command,
                        ": give either --run TRIAL_DIR, or --weights W.safetensors with its configuration"));
  const auto& file = configuration.file;
  const auto& assignments = configuration.assignments;
  if (!run.empty() && (!file.empty() || !assignments.empty()))
    throw UserError(str(file.empty() ? "--set " + assignments[0] : "--config " + file, " with --run = ", run,
                        ": a run brings its own configuration; leave one of the two out"));
}

void add_plan_option(CLI::App& command, std::string& name) {
  command.add_option("--plan", name, "Another plan than ABLATION_PLAN: a name, or a file with a / or .yaml")
      ->type_name("PLAN")
      ->check(not_empty());
}

void PlanOptions::add_to(CLI::App& command) {
  configuration.add_to(command);
  add_plan_option(command, plan_name);
  command.add_option("--steps", steps, "Steps of the plan, such as 0,2 or 0-3; all if not given")
      ->type_name("LIST")
      ->check(not_empty());
  command.add_option("--seeds", seeds, "Seeds, such as 1-3 or 1,5")->type_name("LIST")->check(not_empty());
  command.add_option("--results", results, "Folder of the results")
      ->capture_default_str()
      ->type_name("DIR")
      ->check(not_empty());
}

void PlanOptions::add_init_from(CLI::App& command) {
  command.add_option("--init-from", init_from, "Weights that every trial starts from, as INIT_FROM says")
      ->type_name("FILE")
      ->check(not_empty());
}

Settings PlanOptions::settings() const {
  Settings settings = configuration.settings();
  if (!plan_name.empty()) settings.set("ABLATION_PLAN", plan_name, "--plan");
  if (!steps.empty()) settings.set("RA_MLA_ABLATION_STEPS", steps, "--steps");
  if (!seeds.empty()) settings.set("SEEDS", seeds, "--seeds");
  if (!init_from.empty()) settings.set("INIT_FROM", init_from, "--init-from");
  return settings;
}

Plan PlanOptions::plan() const {
  Plan plan = plan_of(settings());
  for (const auto& note : plan.notes) log_info(note);
  return plan;
}

ExperimentFolder PlanOptions::experiment(const Settings& settings) const {
  return experiment_folder(results, settings.text("EXPERIMENT_NAME"));
}

CLI::Validator not_empty() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "\"\": allowed: a text that is not empty; leave the option out for its default"
                        : "";
  };
  return {check, /*validator_desc=*/""};
}

CLI::Validator whole_number(std::int64_t least) {
  const auto check = [least](const std::string& text) {
    const auto value = parse_int(text);
    return value && *value >= least ? "" : str("\"", text, "\": allowed: a whole number >= ", least);
  };
  return {check, /*validator_desc=*/""};
}

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  const auto relative =
      fs::weakly_canonical(fs::absolute(path)).lexically_relative(fs::weakly_canonical(fs::absolute(folder)));
  return !relative.empty() && *relative.begin() != "..";  // "..x" is a name
}

bool is_experiment(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(ExperimentFolder(path).plan(), ignored);
}

namespace {

bool is_checkout(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::is_directory(folder / "defconfigs" / "plans", ignored) &&
         std::filesystem::exists(folder / "src" / "plan" / "plan_file.cpp", ignored);
}

// Where `make install` puts what belongs to a program in bin/ (CMakeLists.txt); "" if it was not installed.
std::filesystem::path installed_folder() {
  const auto prefix = program_folder().parent_path();
  std::error_code ignored;
  const bool installed = program_folder().filename() == "bin" && !is_checkout(prefix) &&
                         std::filesystem::is_directory(prefix / "share/kablate/defconfigs/plans", ignored);
  return installed ? prefix / "share" / "kablate" : "";
}

// A copied checkout or a moved build reads its own plans, not those of where it was made.
std::filesystem::path find_source_folder() {
  const auto above = program_folder().parent_path();
  if (is_checkout(above)) return above;
  if (const auto installed = installed_folder(); !installed.empty()) return installed;
  const std::filesystem::path made_from = KABLATE_SOURCE_DIR;
  std::error_code ignored;
  if (!std::filesystem::equivalent(program_folder(), KABLATE_BUILD_DIR, ignored))
    log_warning(str("there is no checkout beside ", program_folder().string(),
                    "; plans and git's state are those of ", made_from.string(),
                    ", which the program was built from",
                    is_checkout(made_from) ? "" : " and which is gone"));
  return made_from;
}

}  // namespace

std::filesystem::path source_folder() {
  static const auto found = find_source_folder();
  return found;
}
std::filesystem::path plans_folder() { return source_folder() / "defconfigs" / "plans"; }
std::filesystem::path data_folder() {
  const auto installed = installed_folder();
  return (installed.empty() ? program_folder().parent_path() : installed) / "data";
}
std::filesystem::path installed_libraries() {
  const auto folder = program_folder().parent_path() / "lib" / "kablate";
  std::error_code ignored;
  return !installed_folder().empty() && std::filesystem::exists(folder / "libtorch.so", ignored) ? folder
                                                                                                 : "";
}
Build this_build() {
  return {.sources = KABLATE_SOURCE_KEY, .compiler = KABLATE_COMPILER, .flags = KABLATE_FLAGS};
}

}  // namespace kablate
