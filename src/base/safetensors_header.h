// What stands where in a safetensors file: eight bytes with the header's length
// (little-endian), a JSON header, the tensors' bytes. One reader for all who want tensors or
// bytes of them, as strict as the format's own library (github.com/huggingface/safetensors):
// every byte after the header belongs to exactly one tensor.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/input_file.h"

namespace kablate {

struct TensorEntry {
  std::string dtype;  // "F32" …
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // of its bytes, from the file's start

  std::uint64_t size() const { return end - begin; }
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;  // `__metadata__`; empty if there is none
};

// Reads the header of an open file and nothing else. Throws UserError with the file's name, the tensor's
// where it is about one, and the rule:
//   - the header has at most 100,000,000 bytes, ends within the file, begins with { and is UTF-8 and JSON;
//   - no name stands twice in it, in the metadata or in a tensor's entry; the metadata are texts;
//   - an entry has a dtype of the format, a shape and data_offsets [begin, end] of whole numbers >= 0;
//   - end - begin is what shape and dtype need, without overflow;
//   - the tensors follow one another without holes or overlaps, from the first byte after the header to the
//   last.
SafetensorsHeader read_safetensors_header(const InputFile& file);

}  // namespace kablate
