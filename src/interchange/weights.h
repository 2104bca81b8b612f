// A model's weights as a file: our own checkpoints, and
// nanoGPT state dicts saved as safetensors (spec, section 5).
#pragma once

#include <filesystem>

#include "interchange/state_dict.h"
#include "shape/parameter.h"

namespace kablate {

struct Config;

// What describes the weights of this file: `config`, or the model in which its layers are apart, where they
// are those of after MLP_UNSHARE_AT. Throws what read_safetensors_header() throws.
Config config_of_weights(const Config& config, const std::filesystem::path& path);

// Reads exactly the tensors of `expected`, as float32. Accepted besides: the prefixes `_orig_mod.` and
// `module.` of torch.compile and DistributedDataParallel, tied weights under one of their names with the
// other in the metadata (safetensors.torch.save_model), GPT-2's attention masks of any type, and
// what is a use of another tensor (a tied lm_head.weight) where it equals that. Throws UserError naming the
// file and the tensor: missing, unknown, of another shape or type, twice, or a use that differs.
NamedTensors read_weights(const std::filesystem::path& path, const ParameterTable& expected);

// Weights to start from (INIT_FROM): what read_weights() reads, but that adapters may be missing, which are
// not in the result then.
NamedTensors read_initial_weights(const std::filesystem::path& path, const ParameterTable& expected);

// The same out of `found`, which `file` had.
NamedTensors take_initial_weights(const std::string& file, StateDict found, const ParameterTable& expected);

// SHA-256 of the file that INIT_FROM names, "" where it names none. Throws UserError if it can't be read.
std::string initial_weights_hash(const Config& config);

// Exactly the tensors of `expected`, as float32, out of `found`, which `file` had. Accepted besides: masks of
// the attentions that there are, and what is a use of another tensor (a tied lm_head.weight) where it equals
// that. Throws UserError naming file and tensor: missing, unknown, of another shape or type, a use that
// differs.
NamedTensors take_weights(const std::string& file, StateDict found, const ParameterTable& expected);

}  // namespace kablate
