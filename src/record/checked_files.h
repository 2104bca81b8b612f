// What the SHA-256 of large files was found to be, remembered by size and time of change: a ladder's weights
// are not read again for every table. Not of files written within the last seconds, whose next change their
// time might not show. In this process, and in checked.json of the experiment's folder. Smaller files than
// kRememberedBytes are read each time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace kablate {

constexpr std::int64_t kRememberedBytes = 1 << 20;

// The SHA-256 of a file. Throws WorkError if it can't be read.
std::string remembered_sha256(const std::filesystem::path& file);

// Writes what is remembered and stands in no checked.json yet. By itself that happens from time to time and
// when the process ends: of ten thousand files each would be written with all before it.
void keep_checked();

// Forgets what is known of the files in a trial's folder.
void forget_checked(const std::filesystem::path& folder);

}  // namespace kablate
