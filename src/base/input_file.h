// A file that the user or an earlier run left, open for reading. Every reader begins here, so that a pipe
// that nobody writes to, a device without an end or a folder gets the same one line, and is never waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace kablate {

class InputFile {
 public:
  // Throws UserError if `path` is missing, unreadable, or something else than a file. The message starts with
  // `label` (how the user knows the file: "DATA_PATH = x") and ends with `remedy`, what to do about it, if
  // there is one.
  InputFile(std::filesystem::path path, std::string label, std::string_view remedy);
  explicit InputFile(const std::filesystem::path& path) : InputFile(path, path.string(), "") {}
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  std::uint64_t size() const { return size_; }  // when it was opened; 0 for the files of /proc

  // How large a buffer to read all of it with, of `most` at the most: a small file needs no large one.
  std::size_t piece(std::size_t most) const;

  // Some bytes from the present place on, at most `count`; 0
  // at the end. Throws UserError with the system's reason.
  std::size_t read_some(char* out, std::size_t count);

  // Exactly `count` bytes from `place` on. Throws UserError, also where the file ends before.
  void read_at(std::uint64_t place, void* out, std::size_t count) const;

 private:
  std::filesystem::path path_;
  std::string label_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// What stands at `path` if it is no file: "a folder", "a pipe", "a socket", "a device". Empty for a file, for
// nothing, and for what can't be looked at.
std::string other_than_file(const std::filesystem::path& path);

}  // namespace kablate
