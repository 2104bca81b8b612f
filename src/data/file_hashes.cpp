#include "data/file_hashes.h"

#include <map>

#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

namespace kablate {
namespace {

Json read_hashes(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  try {
    Json json = Json::parse(read_text(path));
    if (json.is_object()) return json;
  } catch (const std::exception&) {
  }
  return Json::object();
}

// What tells whether a file is still the one that was read; null where the system can't say.
Json mark_of(const FileToHash& file) {
  struct stat found {};
  if (::stat(file.path.c_str(), &found) != 0) return {};
  return {{"bytes", file.bytes.size()}, {"changed", {found.st_mtim.tv_sec, found.st_mtim.tv_nsec}}};
}

bool is_remembered(const Json& hashes, const std::string& name, Json mark) {
  const auto found = hashes.find(name);
  if (mark.is_null() || found == hashes.end() || !found->is_object()) return false;
  const auto sha256 = found->find("sha256");
  if (sha256 == found->end() || !sha256->is_string() || sha256->get<std::string>().size() != kDigestDigits)
    return false;
  mark["sha256"] = *sha256;
  return mark == *found;
}

void remember(const std::filesystem::path& path, const Json& hashes) {
  try {
    write_file(path, hashes.dump(1) + "\n");
  } catch (const std::exception& fault) {
    log_warning(str(fault.what(), ": the sums of the large files there will be made again each time"));
  }
}

}  // namespace

std::vector<std::string> remembered_sha256(const std::vector<FileToHash>& files) {
  std::map<std::filesystem::path, Json> folders;
  std::map<std::filesystem::path, double> read;  // bytes, by folder
  std::vector<std::string> sums;
  for (const auto& file : files) {
    const auto folder = file.path.parent_path();
    const auto name = file.path.filename().string();
    auto [entry, is_new] = folders.try_emplace(folder);
    if (is_new) entry->second = read_hashes(folder / kHashesFile);
    const Json mark = mark_of(file);
    if (!is_remembered(entry->second, name, mark)) {
      if (read[folder] == 0)
        log_info(str("reading the large files of ", folder.string(), " once for a trial's key"));
      Json now = mark;
      now["sha256"] = hex(sha256(file.bytes));
      entry->second[name] = now;
      read[folder] += static_cast<double>(file.bytes.size());
    }
    sums.push_back(entry->second[name]["sha256"].get<std::string>());
  }
  for (const auto& [folder, bytes] : read) {
    remember(folder / kHashesFile, folders.at(folder));
    log_info(str("read ", human_bytes(bytes), "; their sums stand in ", (folder / kHashesFile).string()));
  }
  return sums;
}

}  // namespace kablate
