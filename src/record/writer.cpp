#include "record/writer.h"

#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "config/settings.h"

namespace kablate {
namespace {

// What a process that was killed in the middle of a write left behind. `config` and `failure.json` are the
// runner's: another run may be writing them.
void remove_unfinished_writes(const TrialFolder& folder) {
  std::error_code fault, ignored;
  std::filesystem::directory_iterator entry(folder.path(), fault);
  for (; !fault && entry != std::filesystem::directory_iterator(); entry.increment(fault)) {
    const auto name = entry->path().filename().string();
    if (name.find(".tmp") == std::string::npos) continue;
    if (name.starts_with("config.") || name.starts_with("failure.json.")) continue;
    std::filesystem::remove(entry->path(), ignored);
  }
}

}  // namespace

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_experiment(const ExperimentFolder& folder, const PlanRecord& plan, const Config& base) {
  make_writable_folder(folder.trials());
  write_file_if_changed(folder.base_config(), full_dotconfig(base));
  write_file_if_changed(folder.base_defconfig(), minimal_defconfig(base));
  write_file_if_changed(folder.plan(), json_text(to_json(plan)));
}

void write_threads(const ExperimentFolder& folder, std::int64_t threads, const Json& measured) {
  write_file(folder.threads(), json_text({{"threads", threads}, {"measured", measured}}));
}

std::int64_t write_threads_once(const ExperimentFolder& folder, std::int64_t threads, const Json& measured) {
  const std::filesystem::path own = folder.threads().string() + ".new" + std::to_string(::getpid());
  write_file(own, json_text({{"threads", threads}, {"measured", measured}}));
  ::link(own.c_str(), folder.threads().c_str());  // fails where another run was quicker: its choice stands
  ::unlink(own.c_str());
  if (const auto agreed = read_threads(folder)) return *agreed;
  write_threads(folder, threads, measured);  // what stood there was damaged
  return threads;
}

std::optional<std::int64_t> read_threads(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(folder.threads(), ignored)) return {};
  const Json json = Json::parse(read_text(folder.threads()), nullptr, false);
  if (!json.is_object() || !json.contains("threads") || !json["threads"].is_number_integer()) return {};
  const auto threads = json["threads"].get<std::int64_t>();
  return threads >= 1 ? std::optional(threads) : std::nullopt;
}

void write_trial_start(const TrialFolder& folder, const Config& config, const std::string& key_text,
                       const Json& environment) {
  make_writable_folder(folder.path());
  remove_unfinished_writes(folder);
  write_file_if_changed(folder.config(), full_dotconfig(config));
  write_file_if_changed(folder.defconfig(), minimal_defconfig(config));
  write_file_if_changed(folder.key(), key_text);
  write_file(folder.environment(), json_text(environment));
  std::error_code ignored;
  std::filesystem::remove(folder.failure(), ignored);
}

void finish_trial(const TrialFolder& folder, const TrialSummary& summary) {
  const std::string text = json_text(to_json(summary));
  write_file(folder.summary(), text);
  write_file(folder.done(), hex(sha256(text)) + "\n");
}

void write_failure(const TrialFolder& folder, const Failure& failure) {
  write_file(folder.failure(), json_text(to_json(failure)));
}

}  // namespace kablate
