#include "train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "record/seal.h"

namespace kablate {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kKept = 2;  // one to fall back on if a disk damages the other
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kState = "state.safetensors";
constexpr const char* kManifest = "manifest.json";

// The one list of the manifest's keys, but for the files' sums.
template <typename Point, typename Visitor>
void visit(Point& c, Visitor&& field) {
  field("key", c.key), field("arithmetic", c.arithmetic), field("iteration", c.trainer.iteration);
  field("clipped_elements", c.trainer.clipped_elements), field("spikes", c.trainer.spikes);
  field("resets", c.trainer.resets), field("tokens", c.trainer.tokens);
  field("log_bytes", c.log.bytes), field("log_rows", c.log.rows), field("log_sum", c.log.sha256);
  field("interruptions", c.effort.interruptions), field("train_seconds", c.effort.train_seconds);
  field("wall_seconds", c.effort.wall_seconds), field("peak_tensor_bytes", c.effort.peak_tensor_bytes);
  field("ms_per_iter", c.effort.ms_per_iter);
}

struct Writer {
  Json& json;
  template <typename T>
  void operator()(const char* name, const T& value) {
    json[name] = value;
  }
  void operator()(const char* name, const std::optional<double>& value) {
    json[name] = value ? Json(*value) : Json();
  }
};

// No number in a manifest is below 0.
struct Reader {
  const Json& json;
  void operator()(const char* name, std::string& value) { json.at(name).get_to(value); }
  void operator()(const char* name, std::int64_t& value) {
    if (!json.at(name).is_number_integer()) refuse(name);
    value = json.at(name).get<std::int64_t>();
    if (value < 0) refuse(name);
  }
  void operator()(const char* name, double& value) {
    value = json.at(name).get<double>();
    if (!std::isfinite(value) || value < 0) refuse(name);
  }
  void operator()(const char* name, std::optional<double>& value) {
    if (json.at(name).is_null()) return;
    double number = 0;
    (*this)(name, number);
    value = number;
  }
  void refuse(const char* name) const {
    throw WorkError(str(kManifest, ": ", name, " = ", json.at(name).dump(), ": expected a number >= 0"));
  }
};

// The iterations saved, latest first.
std::vector<std::int64_t> saved_iterations(const fs::path& folder) {
  std::vector<std::int64_t> iterations;
  std::error_code fault;
  for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end; entry.increment(fault))
    if (const auto iteration = parse_int(entry->path().filename().string())) iterations.push_back(*iteration);
  std::sort(iterations.rbegin(), iterations.rend());
  return iterations;
}

NamedTensors read_tensors(const fs::path& file, const Json& manifest) {
  if (file_sha256(file.string()) != manifest.at(file.filename().string()).get<std::string>())
    throw WorkError(str(file.string(), ": does not have the SHA-256 that manifest.json records"));
  return read_safetensors(file);
}

Checkpoint load_one(const fs::path& folder, std::int64_t iteration) {
  const Json manifest = read_sealed(folder / kManifest);
  Checkpoint checkpoint;
  visit(checkpoint, Reader{manifest});
  if (checkpoint.trainer.iteration != iteration)
    throw WorkError(str((folder / kManifest).string(), ": is of iteration ", checkpoint.trainer.iteration,
                        ", not of the folder's"));
  checkpoint.trainer.weights = read_tensors(folder / kWeights, manifest);
  checkpoint.trainer.optimizer = read_tensors(folder / kState, manifest);
  return checkpoint;
}

}  // namespace

void save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  const auto iteration = checkpoint.trainer.iteration;
  const fs::path unfinished = folder / "unfinished", final = folder / std::to_string(iteration);
  std::error_code fault;
  fs::remove_all(unfinished, fault);
  fs::create_directories(unfinished, fault);
  if (fault) throw WorkError(str(unfinished.string(), ": can't be made (", fault.message(), ")"));
  Json manifest{{kWeights, write_safetensors(unfinished / kWeights, checkpoint.trainer.weights)},
                {kState, write_safetensors(unfinished / kState, checkpoint.trainer.optimizer)}};
  visit(checkpoint, Writer{manifest});
  write_file(unfinished / kManifest, sealed_text(std::move(manifest)));
  fs::remove_all(final, fault);  // saved again at the same iteration: a second interruption without an update
  rename_durably(unfinished, final);
  // The one just written stays, whatever numbers damaged ones left behind have.
  std::size_t others = 0;
  for (const auto other : saved_iterations(folder))
    if (other != iteration && ++others >= kKept) fs::remove_all(folder / std::to_string(other), fault);
}

bool load_checkpoint(const fs::path& folder, const std::function<void(const Checkpoint&)>& take) {
  for (const auto iteration : saved_iterations(folder)) {
    const auto path = folder / std::to_string(iteration);
    try {
      take(load_one(path, iteration));
      return true;
    } catch (const std::exception& problem) {
      log_warning(str("checkpoint ", iteration, " is not used: ", problem.what(), " (", path.string(), ")"));
    }
  }
  return false;
}

std::int64_t checkpoint_iteration(const fs::path& folder) {
  for (const auto iteration : saved_iterations(folder)) try {
      read_sealed(folder / std::to_string(iteration) / kManifest);
      return iteration;
    } catch (const std::exception&) {  // the one before it is tried
    }
  return 0;
}

}  // namespace kablate
