// A file as memory: read-only, paged in as it is used.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace kablate {

class MappedFile {
 public:
  // Throws UserError as base/input_file.h does, and for an empty file. The message starts with `label`
  // ("DATA_PATH = x") and ends with `remedy`, what to do about it.
  MappedFile(const std::filesystem::path& path, std::string_view label, std::string_view remedy);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kablate
