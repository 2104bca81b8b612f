// The tensors of a file by the names that a PyTorch module has for them: prefixes of wrappers taken off, tied
// ones under each of their names, masks noted but not read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "interchange/safetensors.h"

namespace kablate {

struct StateTensor {
  std::string name;  // as the file has it
  std::vector<std::int64_t> shape;
  at::Tensor tensor;  // undefined for a mask: it may be of any type
};
using StateDict = std::map<std::string, StateTensor>;

// A causal mask that GPT-2's attention keeps beside its weights: `….attn.bias` [1, 1, T, T], and the scalar
// `….attn.masked_bias`.
bool is_attention_mask(const std::string& name, const std::vector<std::int64_t>& shape);

// Taken off: `_orig_mod.` and `module.`, of torch.compile and DistributedDataParallel, in any order. Of
// tensors that share their memory safetensors' save_model writes one, and leaves in the metadata under each
// other name which one that is: they stand here under every name. Throws UserError as read_safetensors_file
// does, and where one name would stand twice.
StateDict read_state_dict(const std::filesystem::path& path);

std::string shape_text(const std::vector<std::int64_t>& shape);  // "[2, 3]"

}  // namespace kablate
