#include "record/writer.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/settings.h"
#include "record/done.h"
#include "record/seal.h"

namespace kablate {
namespace {

std::string threads_text(std::int64_t threads, const Json& measured) {
  return sealed_text({{"threads", threads}, {"measured", measured}});
}

// What a process that was killed in the middle of a write left behind. `failure.json` is the runner's:
// another run may be writing it.
void remove_unfinished_writes(const TrialFolder& folder) {
  std::error_code fault, ignored;
  std::filesystem::directory_iterator entry(folder.path(), fault);
  for (; !fault && entry != std::filesystem::directory_iterator(); entry.increment(fault)) {
    const auto name = entry->path().filename().string();
    if (name.find(".tmp") == std::string::npos) continue;
    if (name.starts_with("failure.json.")) continue;
    std::filesystem::remove(entry->path(), ignored);
  }
}

}  // namespace

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_experiment(const ExperimentFolder& folder, const PlanRecord& plan, const Config& base) {
  make_writable_folder(folder.trials());
  const std::string config = full_dotconfig(base);
  write_file_if_changed(folder.base_config(), config);
  write_file_if_changed(folder.base_defconfig(), minimal_defconfig(base));
  Json json = to_json(plan);
  json[kBaseConfigSum] = hex(sha256(config));
  write_file_if_changed(folder.plan(), sealed_text(std::move(json)));
}

void write_source_changes(const ExperimentFolder& folder, const std::string& patch,
                          const std::string& sha256) {
  write_file_if_changed(folder.changes(sha256), patch);
}

void write_threads(const ExperimentFolder& folder, std::int64_t threads, const Json& measured) {
  write_file(folder.threads(), threads_text(threads, measured));
}

std::int64_t write_threads_once(const ExperimentFolder& folder, std::int64_t threads, const Json& measured) {
  const std::filesystem::path own = folder.threads().string() + ".new" + unique_word();
  write_file(own, threads_text(threads, measured));
  ::link(own.c_str(), folder.threads().c_str());  // fails where another run was quicker: its choice stands
  ::unlink(own.c_str());
  if (const auto agreed = read_threads(folder)) return *agreed;
  write_threads(folder, threads, measured);  // a file system without links
  return threads;
}

std::optional<std::int64_t> read_threads(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.threads(), ignored)) return {};
  const auto fail = [&](const std::string& why) {
    return UserError(str(why,
                         "; remove it to have the number measured again, or set THREADS: trials with another "
                         "number of threads are trained anew"));
  };
  try {
    const auto threads = read_sealed(folder.threads()).at("threads").get<std::int64_t>();
    if (threads >= 1) return threads;
  } catch (const FileFault& fault) {
    if (fault.kind() != FileFault::Kind::kDamaged) throw;
    throw fail(fault.what());
  } catch (const Json::exception&) {
  }
  throw fail(folder.threads().string() + ": holds no number of threads");
}

void write_trial_start(const TrialFolder& folder, const Config& config, const std::string& key_text,
                       const Json& environment) {
  make_writable_folder(folder.path());
  std::error_code ignored;
  // Of a trial whose files were damaged: from here on it is none that is finished.
  if (std::filesystem::remove(folder.done(), ignored)) flush_to_disk(folder.path());
  remove_unfinished_writes(folder);
  write_file_if_changed(folder.config(), full_dotconfig(config));
  write_file_if_changed(folder.defconfig(), minimal_defconfig(config));
  write_file_if_changed(folder.key(), key_text);
  write_file(folder.environment(), json_text(environment));
  std::filesystem::remove(folder.failure(), ignored);
}

void finish_trial(const TrialFolder& folder, const TrialSummary& summary) {
  const std::string text = json_text(to_json(summary));
  write_file(folder.summary(), text);
  const auto name = [](const std::filesystem::path& file) { return file.filename().string(); };
  write_done(folder, {{name(folder.summary()), hex(sha256(text))},
                      {name(folder.weights()), summary.weights_sha256},
                      {name(folder.metrics()), summary.metrics_sha256}});
}

void write_failure(const TrialFolder& folder, const Failure& failure) {
  write_file(folder.failure(), json_text(to_json(failure)));
}

}  // namespace kablate
