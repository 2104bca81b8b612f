// safetensors: eight bytes of header length (little-endian), a JSON header, the tensors' bytes. Written with
// sorted names and no time stamps, so that equal tensors are equal files.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace kablate {

using NamedTensors = std::map<std::string, at::Tensor>;

// Writes the file whole or not at all (base/file.h) and returns its SHA-256 in hex. Tensors of float32,
// float64, bfloat16 and int64, on any device. Throws WorkError (disk full …).
std::string write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors);

// Every tensor of the file, on the CPU; float16, bfloat16, float32, float64 and int64. Throws UserError
// naming the file if it is missing, truncated, or something else than safetensors.
NamedTensors read_safetensors(const std::filesystem::path& path);

}  // namespace kablate
