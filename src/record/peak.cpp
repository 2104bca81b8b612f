#include "record/peak.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "record/seal.h"

namespace kablate {

std::vector<Peak> read_peaks(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(folder.peak(), ignored)) return {};
  std::vector<Peak> peaks;
  try {
    const Json json = read_sealed(folder.peak());
    for (const auto& peak : json.at("peaks"))
      peaks.push_back({.host = peak.at("host"),
                       .device = peak.at("device"),
                       .dtype = peak.at("dtype"),
                       .threads = peak.at("threads"),
                       .flops_per_second = peak.at("flops_per_second"),
                       .measured = peak.at("measured")});
  } catch (const Json::exception&) {
    return {};
  } catch (const UserError&) {
    return {};
  }
  return peaks;
}

void write_peaks(const ExperimentFolder& folder, const std::vector<Peak>& peaks) {
  Json list = Json::array();
  for (const auto& peak : peaks)
    list.push_back({{"host", peak.host},
                    {"device", peak.device},
                    {"dtype", peak.dtype},
                    {"threads", peak.threads},
                    {"flops_per_second", peak.flops_per_second},
                    {"measured", peak.measured}});
  write_file(folder.peak(), sealed_text({{"peaks", list}}));
}

}  // namespace kablate
