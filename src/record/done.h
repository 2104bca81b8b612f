// DONE: that a trial is finished, and the SHA-256 of each of its files. Whoever reads a file of a finished
// trial reads it through here, and so reads what was written then or nothing.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record/layout.h"
#include "record/seal.h"

namespace kablate {

class DoneList {
 public:
  // Empty if there is no DONE. Throws FileFault if it is damaged or of another format.
  static std::optional<DoneList> read(const TrialFolder& folder);

  // The SHA-256 of a file of the trial. Throws FileFault if it is not listed.
  const std::string& sha256_of(const std::filesystem::path& file) const;

  const std::map<std::string, std::string>& files() const { return files_; }  // name -> SHA-256

 private:
  DoneList(std::filesystem::path path, std::map<std::string, std::string> files)
      : path_(std::move(path)), files_(std::move(files)) {}

  std::filesystem::path path_;
  std::map<std::string, std::string> files_;
};

// Writes DONE over the files that lie there; `known` has the SHA-256 of those that this process has written
// and knows better than the disk. Throws WorkError if one is missing.
void write_done(const TrialFolder& folder, const std::map<std::string, std::string>& known);

// The text of a trial's file; where the trial is finished, only if it is what DONE records. Throws FileFault.
// With `done` for several files of a trial whose DONE is read once.
std::string read_checked(const TrialFolder& folder, const std::filesystem::path& file);
std::string read_checked(const std::optional<DoneList>& done, const std::filesystem::path& file);

// The same without the text, for large files: what was found of one is remembered by its size and time
// (checked_files.h). Throws FileFault.
void check_file(const TrialFolder& folder, const std::filesystem::path& file);

// What of a finished trial's files is not what DONE records, a phrase each that begins with the file's name;
// empty if all is whole. `again` reads every byte, whatever is remembered.
std::vector<std::string> damaged_files(const TrialFolder& folder, bool again = false);

}  // namespace kablate
