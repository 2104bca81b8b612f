// Files written whole or not at all: to a temporary name, flushed to the disk, then renamed.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace kablate {

// The content of `path`. Throws UserError naming the file if it can't be read (base/input_file.h).
std::string read_text(const std::filesystem::path& path);

// Writes `content` to `path` so that a reader sees the old file or the new one, never a part.
// Throws WorkError with the path and the reason (disk full, read-only …); the old file then stands.
void write_file(const std::filesystem::path& path, std::string_view content);

// The same from pieces that follow one another, for content too large to copy together.
void write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces);

// The same, but leaves a file alone that has this content already.
void write_file_if_changed(const std::filesystem::path& path, std::string_view content);

// 16 hex digits that no other process draws, of whatever machine or container: for names of temporary files.
std::string unique_word();

// Copies from/name to to/name, with the folders that it needs; a file that is there stays. Throws
// filesystem_error.
void copy_below(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& name);

// Renames, and flushes the folder's entry. Throws WorkError.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Flushes one file's content (or a folder's entries) to the disk. Throws WorkError.
void flush_to_disk(const std::filesystem::path& path);

// Makes the folder and its parents. Throws UserError if it can't be made or written to.
void make_writable_folder(const std::filesystem::path& path);

// "" if files can be made in the folder; else why this process, or the file system, does not let them be:
// permission, or a share that can only be read. A disk that is full is no such reason.
std::string why_read_only(const std::filesystem::path& folder);

// The folder that holds the running program.
std::filesystem::path program_folder();

}  // namespace kablate
