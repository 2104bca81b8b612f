#include "record/tensor_file.h"

namespace kablate {

TensorFile::TensorFile(const std::filesystem::path& path)
    : file_(path), entries_(read_safetensors_header(file_).tensors) {}

std::string TensorFile::bytes(const std::string& name) const {
  const auto& entry = entries_.at(name);
  std::string result(entry.size(), '\0');
  file_.read_at(entry.begin, result.data(), result.size());
  return result;
}

std::string first_unequal_tensor(const std::filesystem::path& part, const std::filesystem::path& whole) {
  const TensorFile a(part), b(whole);
  for (const auto& [name, entry] : a.entries()) {
    const auto other = b.entries().find(name);
    if (other == b.entries().end() || other->second.dtype != entry.dtype ||
        other->second.shape != entry.shape || a.bytes(name) != b.bytes(name))
      return name;
  }
  return "";
}

}  // namespace kablate
