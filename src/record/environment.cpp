#include "record/environment.h"

#include <map>
#include <set>

#include "base/text.h"
#include "record/done.h"

namespace kablate {
namespace {

constexpr std::size_t kLongest = 120;  // of a value that is shown

// "git.commit" -> its text.
void flatten(const Json& json, const std::string& prefix, std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object())
      flatten(value, prefix + key + ".", values);
    else
      values[prefix + key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
}

std::map<std::string, std::string> flat(const Json& json) {
  std::map<std::string, std::string> values;
  if (json.is_object()) flatten(json, "", values);
  return values;
}

std::vector<std::string> differences(const std::map<std::string, std::string>& then,
                                     const std::map<std::string, std::string>& now) {
  std::set<std::string> keys;
  for (const auto* values : {&then, &now})
    for (const auto& [key, value] : *values) keys.insert(key);
  std::vector<std::string> phrases;
  for (const auto& key : keys) {
    const auto text = [&](const std::map<std::string, std::string>& values) {
      return values.contains(key) ? values.at(key) : std::string("not recorded");
    };
    const std::string a = text(then), b = text(now);
    if (a == b) continue;
    const bool shown = a.size() <= kLongest && b.size() <= kLongest;
    phrases.push_back(shown ? str(key, ": ", a, " -> ", b) : str(key, " differ"));
  }
  return phrases;
}

}  // namespace

Json read_environment(const TrialFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.environment(), ignored)) return Json::object();
  const Json json =
      Json::parse(read_checked(folder, folder.environment()), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

std::vector<std::string> environment_differences(const Json& then, const Json& now) {
  return differences(flat(then), flat(now));
}

std::vector<std::string> environment_causes(const Json& then, const Json& now) {
  const auto only_causes = [](const Json& json) {
    auto values = flat(json);
    std::erase_if(values, [](const auto& entry) {
      const std::string& name = entry.first;
      if (name == "arithmetic.cpu.model") return true;  // said by "cpu"
      return name != "cpu" && name != "system" && !name.starts_with("arithmetic.");
    });
    return values;
  };
  return differences(only_causes(then), only_causes(now));
}

}  // namespace kablate
