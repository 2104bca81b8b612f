#include "train/checkpoint.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

namespace kablate {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kKept = 2;  // one to fall back on if a disk damages the other
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kState = "state.safetensors";
constexpr const char* kManifest = "manifest.json";

// The iterations saved, latest first.
std::vector<std::int64_t> saved_iterations(const fs::path& folder) {
  std::vector<std::int64_t> iterations;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (const auto iteration = parse_int(entry.path().filename().string())) iterations.push_back(*iteration);
  std::sort(iterations.rbegin(), iterations.rend());
  return iterations;
}

Checkpoint load_one(const fs::path& folder) {
  const Json manifest = Json::parse(read_text(folder / kManifest));
  for (const char* file : {kWeights, kState})
    if (file_sha256(folder / file) != manifest.at(file).get<std::string>())
      throw WorkError(str((folder / file).string(), ": its checksum differs from the one in manifest.json"));
  return {.iteration = manifest.at("iteration").get<std::int64_t>(),
          .interruptions = manifest.at("interruptions").get<std::int64_t>(),
          .train_seconds = manifest.at("train_seconds").get<double>(),
          .wall_seconds = manifest.at("wall_seconds").get<double>(),
          .counts = {.clipped_elements = manifest.at("clipped_elements").get<std::int64_t>(),
                     .spikes = manifest.at("spikes").get<std::int64_t>(),
                     .resets = manifest.at("resets").get<std::int64_t>()},
          .peak_tensor_bytes = manifest.at("peak_tensor_bytes").get<std::int64_t>(),
          .ms_per_iter = manifest.at("ms_per_iter").is_null()
                             ? std::nullopt
                             : std::optional(manifest.at("ms_per_iter").get<double>()),
          .weights = read_safetensors(folder / kWeights),
          .optimizer = read_safetensors(folder / kState)};
}

}  // namespace

void save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  const fs::path unfinished = folder / "unfinished", final = folder / std::to_string(checkpoint.iteration);
  std::error_code fault;
  fs::remove_all(unfinished, fault);
  fs::create_directories(unfinished, fault);
  if (fault) throw WorkError(str(unfinished.string(), ": can't be made (", fault.message(), ")"));
  const Json manifest{{kWeights, write_safetensors(unfinished / kWeights, checkpoint.weights)},
                      {kState, write_safetensors(unfinished / kState, checkpoint.optimizer)},
                      {"iteration", checkpoint.iteration},
                      {"interruptions", checkpoint.interruptions},
                      {"train_seconds", checkpoint.train_seconds},
                      {"wall_seconds", checkpoint.wall_seconds},
                      {"clipped_elements", checkpoint.counts.clipped_elements},
                      {"spikes", checkpoint.counts.spikes},
                      {"resets", checkpoint.counts.resets},
                      {"peak_tensor_bytes", checkpoint.peak_tensor_bytes},
                      {"ms_per_iter", checkpoint.ms_per_iter ? Json(*checkpoint.ms_per_iter) : Json()}};
  write_file(unfinished / kManifest, manifest.dump(2) + "\n");
  fs::remove_all(final, fault);  // saved again at the same iteration: a second interruption without an update
  rename_durably(unfinished, final);
  // The one just written stays, whatever numbers damaged ones left behind have.
  std::size_t others = 0;
  for (const auto iteration : saved_iterations(folder))
    if (iteration != checkpoint.iteration && ++others >= kKept)
      fs::remove_all(folder / std::to_string(iteration), fault);
}

std::optional<Checkpoint> load_checkpoint(const fs::path& folder) {
  for (const auto iteration : saved_iterations(folder)) {
    try {
      return load_one(folder / std::to_string(iteration));
    } catch (const std::exception& problem) {
      log_warning(str("checkpoint ", iteration, " is damaged and not used: ", problem.what()));
    }
  }
  return {};
}

}  // namespace kablate
