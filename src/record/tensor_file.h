// The bytes of a safetensors file's tensors, without a tensor library: for telling whether two are equal.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/input_file.h"
#include "base/safetensors_header.h"

namespace kablate {

class TensorFile {
 public:
  // Reads the header. Throws UserError as read_safetensors_header does.
  explicit TensorFile(const std::filesystem::path& path);

  const std::map<std::string, TensorEntry>& entries() const { return entries_; }

  // The bytes of a tensor of entries(). Throws UserError if they can't be read.
  std::string bytes(const std::string& name) const;

 private:
  InputFile file_;
  std::map<std::string, TensorEntry> entries_;
};

// The first tensor of `part`, by name, that `whole` has not with the same type, shape and bytes; "" if all of
// them stand there. `whole` may have more. Throws UserError as above.
std::string first_unequal_tensor(const std::filesystem::path& part, const std::filesystem::path& whole);

}  // namespace kablate
