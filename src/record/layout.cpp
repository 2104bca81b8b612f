#include "record/layout.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "record/file_stamp.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kKeyDigits = 12;
constexpr std::size_t kLongestName = 110;  // leaves room for the rest within 160
constexpr std::string_view kStep = "step", kSeed = ".seed";
constexpr std::string_view kEvents = "events.out.tfevents.", kOurs = ".kablate";
constexpr std::size_t kEventDigits = 10;
constexpr std::string_view kHex = "0123456789abcdef";

bool safe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

std::string run_name(const TrialName& trial) {
  std::string name = trial.name.substr(0, kLongestName);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !safe(c); }, '_');
  return str(kStep, trial.step, "-", name, kSeed, trial.seed);
}

std::string trial_folder_name(const TrialName& trial) {
  return str(run_name(trial), ".", trial.key.substr(0, kKeyDigits));
}

std::string event_file_name(std::int64_t number) {
  const auto digits = std::to_string(number);
  return str(kEvents, std::string(kEventDigits - std::min(kEventDigits, digits.size()), '0'), digits, kOurs);
}

std::optional<std::int64_t> parse_event_file_name(std::string_view name) {
  if (!name.starts_with(kEvents) || !name.ends_with(kOurs)) return {};
  if (name.size() != kEvents.size() + kEventDigits + kOurs.size()) return {};
  const auto digits = name.substr(kEvents.size(), kEventDigits);
  const auto first = std::min(digits.find_first_not_of('0'), kEventDigits - 1);
  return parse_int(digits.substr(first));
}

std::optional<TrialName> parse_trial_folder_name(std::string_view folder) {
  // From the right: the step's name may hold dots.
  const auto key_dot = folder.rfind('.');
  if (!folder.starts_with(kStep) || key_dot == std::string_view::npos) return {};
  const auto key = folder.substr(key_dot + 1);
  const auto seed_at = folder.substr(0, key_dot).rfind(kSeed);
  const auto dash = folder.find('-');
  if (seed_at == std::string_view::npos || dash == std::string_view::npos || dash >= seed_at) return {};
  const auto step = parse_int(folder.substr(kStep.size(), dash - kStep.size()));
  const auto seed = parse_int(folder.substr(seed_at + kSeed.size(), key_dot - seed_at - kSeed.size()));
  if (!step || *step < 0 || !seed || *seed < 0) return {};
  if (key.size() != kKeyDigits || key.find_first_not_of(kHex) != std::string_view::npos) return {};
  return TrialName{*step, std::string(folder.substr(dash + 1, seed_at - dash - 1)), *seed, std::string(key)};
}

namespace {

struct Listing {
  std::optional<FileStamp> stamp;  // of trials/, before it was read
  bool settled = false;            // and whether it was then
  std::chrono::steady_clock::time_point read;
  std::vector<std::string> names;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::string>> by_trial;  // step, seed
};

Listing list_trials(const fs::path& trials) {
  Listing listing;
  listing.stamp = stamp_of(trials);
  listing.settled = listing.stamp && listing.stamp->settled();
  listing.read = std::chrono::steady_clock::now();
  std::error_code fault;
  for (fs::directory_iterator entry(trials, fault), end; !fault && entry != end; entry.increment(fault)) {
    auto name = entry->path().filename().string();
    std::error_code ignored;
    if (parse_trial_folder_name(name) && entry->is_directory(ignored))
      listing.names.push_back(std::move(name));
  }
  std::sort(listing.names.begin(), listing.names.end());
  for (const auto& name : listing.names)
    if (const auto parsed = parse_trial_folder_name(name))
      listing.by_trial[{parsed->step, parsed->seed}].push_back(name);
  return listing;
}

// To ask of ten thousand trials what else lies there must not list ten thousand folders each time.
std::shared_ptr<const Listing> listing_of(const fs::path& trials) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Listing>> known;
  const std::lock_guard lock(mutex);
  auto& listing = known[trials.string()];
  const auto holds = [&](const Listing& one) {
    const bool young = std::chrono::steady_clock::now() - one.read < std::chrono::seconds(1);
    return one.stamp && one.stamp == stamp_of(trials) && (one.settled || young);
  };
  if (!listing || !holds(*listing)) listing = std::make_shared<const Listing>(list_trials(trials));
  return listing;
}

}  // namespace

std::vector<std::string> ExperimentFolder::trial_folders() const { return listing_of(trials())->names; }

std::vector<std::string> ExperimentFolder::trial_folders(std::int64_t step, std::int64_t seed) const {
  const auto listing = listing_of(trials());
  const auto found = listing->by_trial.find({step, seed});
  return found == listing->by_trial.end() ? std::vector<std::string>() : found->second;
}

ExperimentFolder experiment_folder(const fs::path& results, const std::string& experiment) {
  if (experiment.empty() || experiment.find('/') != std::string::npos || experiment[0] == '.')
    throw UserError(str("EXPERIMENT_NAME = \"", experiment,
                        "\": allowed: a folder's name, not empty, without / and not starting with a dot"));
  return ExperimentFolder(results / experiment);
}

ExperimentFolder existing_experiment(const fs::path& path) {
  const ExperimentFolder folder(path);
  std::error_code ignored;
  if (fs::is_regular_file(folder.plan(), ignored)) return folder;
  const char* why = !fs::exists(path, ignored)                        ? "there is no such folder"
                    : fs::exists(TrialFolder(path).config(), ignored) ? "is a trial's folder"
                                                                      : "has no plan.json";
  throw UserError(str(path.string(), ": ", why,
                      "; expected the folder of an experiment that `kablate run` wrote, such as "
                      "results/quick"));
}

TrialFolder existing_trial(const fs::path& path) {
  const TrialFolder folder(path);
  std::error_code ignored;
  if (fs::is_regular_file(folder.config(), ignored)) return folder;
  const char* why = !fs::exists(path, ignored)                           ? "there is no such folder"
                    : fs::exists(ExperimentFolder(path).plan(), ignored) ? "is an experiment's folder"
                                                                         : "has no file `config`";
  throw UserError(str(path.string(), ": ", why,
                      "; expected the folder of a trial, such as "
                      "results/quick/trials/step0-mla.seed1.0123456789ab"));
}

}  // namespace kablate
