// The bytes of a safetensors file's tensors, without a tensor library: for telling whether two are equal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace kablate {

class TensorFile {
 public:
  struct Entry {
    std::string dtype;  // "F32" …
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0;  // of its bytes, from the file's start
  };

  // Reads the header. Throws UserError naming the file if it is missing, truncated, or something else.
  explicit TensorFile(std::filesystem::path path);

  const std::map<std::string, Entry>& entries() const { return entries_; }

  // The bytes of a tensor of entries(). Throws UserError if they can't be read.
  std::string bytes(const std::string& name);

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  std::map<std::string, Entry> entries_;
};

// The first tensor of `part`, by name, that `whole` has not with the same type, shape and bytes; "" if all of
// them stand there. `whole` may have more. Throws UserError as above.
std::string first_unequal_tensor(const std::filesystem::path& part, const std::filesystem::path& whole);

}  // namespace kablate
