// What large files hold, in 64 digits, without reading them again each time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

constexpr const char* kHashesFile = ".kablate-sha256.json";  // beside the files

struct FileToHash {
  std::filesystem::path path;
  std::string_view bytes;  // all of its content
};

// The SHA-256 of each, in hex. A file is read where its folder's kHashesFile does not have it with the size
// and the time of change that it has now; what was read is then written there, and the log says so. Where the
// folder can't be written to a warning says that they will be read again. A damaged kHashesFile counts as
// none.
std::vector<std::string> remembered_sha256(const std::vector<FileToHash>& files);

}  // namespace kablate
