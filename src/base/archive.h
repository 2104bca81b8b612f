// Archives of files (.tar.gz), by the system's tar and gzip, which are called without a shell: no name can be
// taken for an option, another host's file or a pattern.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace kablate {

// Called while one waits; what it throws ends the work, and nothing is left of it.
using Poll = std::function<void()>;

// Writes the files `names`, paths within `folder`, to `out`, whole or not at all. The same names and contents
// give the same bytes with one tar and gzip: owner, times and permissions are fixed, links are followed.
// Throws WorkError with what tar says.
void write_archive(const std::filesystem::path& folder, const std::vector<std::string>& names,
                   const std::filesystem::path& out, const Poll& poll);

// Whether it begins as what gzip writes. Throws UserError if it can't be read.
bool is_gzip(const std::filesystem::path& file);

// What the archive holds; empty if it is none, or is cut off.
std::vector<std::string> names_in_archive(const std::filesystem::path& file, const Poll& poll);

// Unpacks into `folder`, which is there and empty. Throws UserError where the file is no such archive, is cut
// off, or holds anything but files and folders. Nothing is written outside of `folder`.
void read_archive(const std::filesystem::path& file, const std::filesystem::path& folder, const Poll& poll);

}  // namespace kablate
