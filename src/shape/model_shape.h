// What a model amounts to, by formula and without a tensor: parameters, work, memory, decode state. `plan`
// prints it and the model registers its parameters from it, so that a count can't differ from the model.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "shape/model_spec.h"
#include "shape/parameter.h"

namespace kablate {

struct Config;

// Every parameter of the model in the order of its forward pass, and who else uses it.
ParameterTable model_parameters(const ModelSpec& model);

std::int64_t parameter_count(const ModelSpec& model);          // each owned tensor once
std::int64_t trained_parameter_count(const ModelSpec& model);  // without those that keep their initial values
// Without those of experts that no token goes through: of each layer's (of each that layers share) as many
// count as are chosen, and the router.
std::int64_t active_parameter_count(const ModelSpec& model);
std::map<std::string, std::int64_t> parameters_by_part(
    const ModelSpec& model);  // every part, 0 where it has none

// Those that are not 0 once the last update is made, of the model that trains then: with PRUNE maps have lost
// entries (config/pruning.h), and those that stand still keep what they had lost before.
std::int64_t nonzero_parameter_count(const Config& config);
// Throws UserError where PRUNE is on and no map would lose an entry.
void check_prunes(const Config& config);

// Floating-point operations of one optimizer update (forward and backward over the global batch): 2 a
// multiply-add, backward twice forward, causal attention counted half (spec, section 3).
double flops_per_iteration(const Config& config);

// The same by nanoGPT's rule: (6 N + 12 layers E T) a token, N the active ones without position embeddings.
double flops_per_iteration_nanogpt(const Config& config);

// What decoding must keep, summed over layers, at DTYPE's width (spec, section 3); 0 of a bidirectional
// model and of an autoencoder, which are not decoded.
std::int64_t decode_cache_bytes_per_token(const ModelSpec& model);
std::int64_t decode_cache_bytes_fixed(const ModelSpec& model);

// The most bytes of tensors alive at once in training (memory.cpp says how it is added up).
std::int64_t peak_tensor_bytes(const Config& config);

}  // namespace kablate
