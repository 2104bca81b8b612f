#include "record/later_file.h"

#include "base/error.h"
#include "base/text.h"
#include "record/seal.h"

namespace kablate {
namespace {

std::string again(const std::string& command) { return str("; `kablate ", command, "` writes it anew"); }

}  // namespace

std::string unreadable(const std::filesystem::path& path, const std::string& command,
                       const std::string& why) {
  return str(path.string(), ": can't be read (", why, ")", again(command));
}

std::optional<Json> read_later_file(const std::filesystem::path& path, const std::string& weights_sha256,
                                    const std::string& command, std::string* problem) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  try {
    const Json json = read_sealed(path);
    const Json& sum = json.at("weights_sha256");
    if ((sum.is_null() ? "" : sum.get<std::string>()) == weights_sha256) return json;
    *problem = str(path.string(), ": is about other weights than the trial's", again(command));
  } catch (const UserError& fault) {
    *problem = fault.what() + again(command);
  } catch (const Json::exception& fault) {
    *problem = unreadable(path, command, fault.what());
  }
  return {};
}

}  // namespace kablate
