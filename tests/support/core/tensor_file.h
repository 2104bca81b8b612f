// Writes safetensors files by hand, for tests that have no tensor library.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace kablate::testing_support {

// The file's content with a float32 vector for each name.
inline std::string safetensors_of(const std::map<std::string, std::vector<float>>& tensors) {
  Json header = Json::object();
  std::string bytes;
  for (const auto& [name, values] : tensors) {
    const auto begin = bytes.size();
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", {values.size()}}, {"data_offsets", {begin, bytes.size()}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + text + bytes;
}

}  // namespace kablate::testing_support
