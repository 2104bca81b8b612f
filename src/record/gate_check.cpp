#include "record/gate_check.h"

#include "base/error.h"
#include "base/file.h"
#include "record/seal.h"

namespace kablate {

Json to_json(const std::vector<GateCheck>& checks) {
  Json list = Json::array();
  for (const auto& check : checks)
    list.push_back(
        {{"step", check.step}, {"check", check.check}, {"passed", check.passed}, {"detail", check.detail}});
  return {{"checks", list}};
}

void write_audit(const ExperimentFolder& folder, const std::vector<GateCheck>& checks) {
  write_file(folder.audit(), sealed_text(to_json(checks)));
}

std::vector<GateCheck> read_audit(const ExperimentFolder& folder, std::string* problem) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.audit(), ignored)) return {};
  try {
    const Json json = read_sealed(folder.audit());
    std::vector<GateCheck> checks;
    for (const auto& check : json.at("checks"))
      checks.push_back({check.at("step"), check.at("check"), check.at("passed"), check.at("detail")});
    return checks;
  } catch (const UserError& fault) {
    if (problem != nullptr) *problem = fault.what();
  } catch (const Json::exception&) {
    if (problem != nullptr) *problem = folder.audit().string() + ": is of another form than `run` writes";
  }
  return {};
}

}  // namespace kablate
