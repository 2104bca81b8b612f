// What large files hold, in 64 digits, without reading them again each time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace kablate {

constexpr const char* kHashesFile = ".kablate-sha256.json";  // beside the files; sealed

// The SHA-256 of each, in hex. A file is read where its folder's kHashesFile does not have it with the stamp
// that it has now (record/file_stamp.h: size and times of change); what was read is then written there, and
// the log says so. Where the folder can't be written to a warning says that they will be read again.
// Throws Interrupted after a signal that asks to stop, with the sums of what was read to its end written.
// A damaged kHashesFile counts as none; a file that changes meanwhile, or has just changed, is not
// remembered.
std::vector<std::string> sha256_of_large(const std::vector<std::filesystem::path>& files);

}  // namespace kablate
