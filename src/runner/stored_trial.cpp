#include "runner/stored_trial.h"

#include "base/error.h"
#include "base/text.h"
#include "config/settings.h"
#include "config/synthetic.h"
#include "interchange/weights.h"
#include "measure/arithmetic.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "plan/key.h"
#include "record/reader.h"

namespace kablate {
namespace {

std::int64_t key_number(const TrialFolder& folder, const std::map<std::string, std::string>& key,
                        const char* name) {
  const auto found = key.find(name);
  const auto value = found == key.end() ? std::nullopt : parse_int(found->second);
  if (!value || *value < 0)
    throw UserError(str(folder.key().string(), ": ", name, " = \"", found == key.end() ? "" : found->second,
                        "\": expected a whole number; the file was edited or damaged"));
  return *value;
}

std::shared_ptr<const Dataset> open_data(const StoredTrial& trial, const std::filesystem::path& data_folder) {
  try {
    return open_dataset(trial.config, data_folder);
  } catch (const UserError& fault) {
    const bool prepared = trial.config.data.dataset == DatasetKind::kShakespeare;
    throw UserError(
        str(trial.label(), " needs the data it was made from: ", fault.what(),
            prepared
                ? ""
                : "; put them there, or say where they lie: --data-path PATH, or DATA_PATH=PATH after make"));
  }
}

}  // namespace

std::string StoredTrial::label() const {
  return str("step ", summary.step, " ", summary.name, ", seed ", summary.seed);
}

StoredTrial read_stored_trial(const TrialFolder& folder, const Program& program) {
  const auto record = read_trial(folder);
  if (record.state == TrialState::kDamaged) throw UserError(record.reason);
  const auto& summary = record.summary;
  if (!summary)
    throw UserError(
        str(folder.path().string(),
            ": is not the folder of a finished trial (no DONE); only finished trials can be compared with "
            "another training"));
  Settings settings = read_trial_config(folder);
  if (!program.data_path.empty()) settings.set("DATA_PATH", program.data_path, "--data-path");
  if (!program.init_from.empty()) {
    if (settings.text("INIT_FROM").empty())
      throw UserError(str("--init-from = ", program.init_from, ": ", folder.path().string(),
                          " started from weights of its own (INIT_FROM is empty); leave --init-from out"));
    settings.set("INIT_FROM", program.init_from, "--init-from");
  }
  StoredTrial trial{
      .folder = folder, .summary = *summary, .key_text = read_key_text(folder), .config = settings.bind()};
  validate(trial.config);
  const auto key = key_values(trial.key_text);
  trial.threads = key_number(folder, key, "threads");
  trial.rerun_index = key_number(folder, key, "rerun");
  return trial;
}

const KeysHere::Opened& KeysHere::opened(const StoredTrial& trial) {
  const auto& config = trial.config;
  const auto source = str(static_cast<int>(config.data.dataset), " ", static_cast<int>(config.data.tokenizer),
                          " ", config.gpt.vocabulary, " ", config.gpt.context, " ", config.objective.masked(),
                          " ", text_of(config.data.synthetic), " ", config.data.path);
  auto& found = opened_[source];
  if (!found.data) {
    found.data = open_data(trial, program_.data_folder);
    found.hash = found.data->hash();
  }
  return found;
}

const std::string& KeysHere::initial_hash(const StoredTrial& trial) {
  auto& hash = initial_hashes_[trial.config.train.init_from];
  try {
    if (hash.empty()) hash = initial_weights_hash(trial.config);
  } catch (const UserError& fault) {
    throw UserError(
        str(trial.label(), " needs the weights that it started from: ", fault.what(),
            "; put them there, or say where they lie: --init-from FILE, or INIT_FROM=FILE after make"));
  }
  return hash;
}

std::shared_ptr<const Dataset> KeysHere::data(const StoredTrial& trial) { return opened(trial).data; }

std::string KeysHere::text(const StoredTrial& trial) {
  const auto& config = trial.config;
  const auto device = resolve_device(config.run.device);
  return key_text(config, trial.summary.step, trial.rerun_index, trial.summary.seed,
                  {.data_hash = opened(trial).hash,
                   .init_hash = initial_hash(trial),
                   .threads = trial.threads,
                   .ranks = config.run.ranks,
                   .device = device_class(device),
                   .kernels = resolved_kernels(config.run.kernels, device),
                   .torch_version = torch_version(),
                   .build = program_.build});
}

TrialOrder order_again(const StoredTrial& trial, const std::string& key, const Program& program) {
  return {.step = trial.summary.step,
          .seed = trial.summary.seed,
          .rerun_index = trial.rerun_index,
          .name = trial.summary.name,
          .key = key,
          .threads = trial.threads,
          .ranks = trial.config.run.ranks,
          .beside = 0,
          .device = device_class(resolve_device(trial.config.run.device)),
          .data_folder = program.data_folder,
          .source_folder = program.source_folder,
          .build = program.build};
}

}  // namespace kablate
