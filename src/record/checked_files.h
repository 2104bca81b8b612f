// What the SHA-256 of files was found to be, remembered by size and time of change: a ladder's weights are
// not read again for every table. Not of files written within the last seconds, whose next change their time
// might not show. In this process for all files; for those of kRememberedBytes or more also in checked.json
// of the experiment's folder.
#pragma once

#include <filesystem>
#include <string>

namespace kablate {

constexpr std::uintmax_t kRememberedBytes = 4 << 20;

// The SHA-256 of a file. Throws WorkError if it can't be read.
std::string remembered_sha256(const std::filesystem::path& file);

// Forgets what is known of the files in a trial's folder.
void forget_checked(const std::filesystem::path& folder);

}  // namespace kablate
