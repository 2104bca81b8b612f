#include "record/noise.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "record/seal.h"

namespace kablate {

double NoiseFloor::difference_sd() const { return std::sqrt(2.0) * sd; }

Json to_json(const NoiseFloor& noise) {
  return {{"arm", noise.arm},
          {"seeds", noise.seeds},
          {"val_losses", noise.val_losses},
          {"sd", noise.sd},
          {"sd_low", noise.sd_low},
          {"sd_high", noise.sd_high},
          {"comparisons", noise.comparisons},
          {"pairs", noise.pairs},
          {"rejected", noise.rejected}};
}

NoiseFloor noise_from_json(const Json& json) {
  NoiseFloor noise;
  json.at("arm").get_to(noise.arm);
  json.at("seeds").get_to(noise.seeds);
  json.at("val_losses").get_to(noise.val_losses);
  json.at("sd").get_to(noise.sd);
  json.at("sd_low").get_to(noise.sd_low);
  json.at("sd_high").get_to(noise.sd_high);
  json.at("comparisons").get_to(noise.comparisons);
  json.at("pairs").get_to(noise.pairs);
  json.at("rejected").get_to(noise.rejected);
  return noise;
}

std::optional<NoiseFloor> read_noise(const ExperimentFolder& folder, std::string* problem) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.noise(), ignored)) return {};
  try {
    return noise_from_json(read_sealed(folder.noise()));
  } catch (const UserError& fault) {
    if (problem != nullptr) *problem = fault.what();
  } catch (const Json::exception&) {
    if (problem != nullptr) *problem = folder.noise().string() + ": is of another form than `noise` writes";
  }
  return {};
}

void write_noise(const ExperimentFolder& folder, const NoiseFloor& noise) {
  write_file(folder.noise(), sealed_text(to_json(noise)));
}

}  // namespace kablate
