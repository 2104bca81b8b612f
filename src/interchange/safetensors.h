// safetensors: eight bytes of header length (little-endian), a JSON header, the tensors' bytes. Written with
// sorted names and no time stamps, so that equal tensors are equal files.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "base/safetensors_header.h"

namespace kablate {

using NamedTensors = std::map<std::string, at::Tensor>;

struct SafetensorsFile {
  std::map<std::string, TensorEntry> entries;   // of all tensors
  NamedTensors tensors;                         // those that were wanted, on the CPU
  std::map<std::string, std::string> metadata;  // `__metadata__`
};

// Writes the file whole or not at all (base/file.h) and returns its SHA-256 in hex. Tensors of the types of
// read_safetensors_file, on any device. Throws WorkError (disk full …).
std::string write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata = {});

// All of a file: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL. Throws
// UserError naming the file, and the tensor where it is about one, if the file
// breaks a rule of the format (base/safetensors_header.h) or has another type.
// With `wanted`, the tensors that it accepts alone: the others may be of any type.
using WantedTensor = std::function<bool(const std::string& name, const TensorEntry& entry)>;
SafetensorsFile read_safetensors_file(const std::filesystem::path& path, const WantedTensor& wanted = {});

// The same without the metadata.
NamedTensors read_safetensors(const std::filesystem::path& path);

}  // namespace kablate
