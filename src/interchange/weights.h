// A model's weights as a file: our own checkpoints, and
// nanoGPT state dicts saved as safetensors (spec, section 5).
#pragma once

#include <filesystem>

#include "interchange/safetensors.h"
#include "shape/parameter.h"

namespace kablate {

// Reads exactly the tensors of `expected`, as float32. Accepted besides: the prefixes `_orig_mod.` and
// `module.` of torch.compile and DistributedDataParallel, tied weights under one of their names with the
// other in the metadata (safetensors.torch.save_model), the causal masks `….attn.bias` of nanoGPT, and
// what is a use of another tensor (a tied lm_head.weight) where it equals that. Throws UserError naming the
// file and the tensor: missing, unknown, of another shape or type, twice, or a use that differs.
NamedTensors read_weights(const std::filesystem::path& path, const ParameterTable& expected);

}  // namespace kablate
