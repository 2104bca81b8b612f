#include "data/file_hashes.h"

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "record/file_stamp.h"
#include "record/seal.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// The sums of one folder's files.
class FolderHashes {
 public:
  explicit FolderHashes(const fs::path& folder) : path_(folder / kHashesFile) {
    try {
      known_ = read_sealed(path_).at("files");
    } catch (const UserError&) {  // none, or damaged: everything is read again
    } catch (const Json::exception&) {
    }
  }

  std::string of(const fs::path& file) {
    const auto name = file.filename().string();
    const auto before = stamp_of(file);
    if (before && known_.contains(name) && known_[name].contains("sum")) {
      const std::string sum = known_[name]["sum"];
      if (entry(*before, sum) == known_[name]) return sum;
    }
    if (read_ == 0)
      log_info(str("reading the large files of ", path_.parent_path().string(), " once for a trial's key"));
    const auto sum = file_sha256(file.string(), throw_if_stop_requested);
    const auto after = stamp_of(file);
    if (after) read_ += static_cast<double>(after->bytes);
    if (before && before == after && after->settled()) known_[name] = entry(*after, sum), is_new_ = true;
    return sum;
  }

  void keep() const {
    if (is_new_) try {
        write_file(path_, sealed_text({{"files", known_}}));
        log_info(str("read ", human_bytes(read_), "; their sums stand in ", path_.string()));
      } catch (const WorkError& fault) {
        log_warning(str(fault.what(), ": the large files there will be read again each time"));
      }
  }

 private:
  static Json entry(const FileStamp& stamp, const std::string& sum) {
    return {{"bytes", stamp.bytes},
            {"modified_ns", stamp.modified_ns},
            {"changed_ns", stamp.changed_ns},
            {"sum", sum}};
  }

  fs::path path_;
  Json known_ = Json::object();
  double read_ = 0;  // bytes
  bool is_new_ = false;
};

}  // namespace

std::vector<std::string> sha256_of_large(const std::vector<fs::path>& files) {
  std::map<fs::path, FolderHashes> folders;
  std::vector<std::string> sums;
  const auto keep = [&] {
    for (const auto& [folder, hashes] : folders) hashes.keep();
  };
  try {
    for (const auto& file : files)
      sums.push_back(folders.try_emplace(file.parent_path(), file.parent_path()).first->second.of(file));
  } catch (const Interrupted&) {
    keep();  // of the files that were read to their end
    throw;
  }
  keep();
  return sums;
}

}  // namespace kablate
