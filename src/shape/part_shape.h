// What one part of one layer amounts to. A part (attention, MLP, each mechanism) is one function
// LayerSpec -> PartShape; model_shape.cpp adds them up. The letters are those of model/dims.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shape/model_spec.h"
#include "shape/parameter.h"

namespace kablate {

// What autograd keeps of a layer in training and what is in flight in its backward pass, bytes a token
// (memory.cpp says how they are added up).
struct ActivationBytes {
  double attention_kept = 0, attention_passing = 0;
  double mlp_kept = 0, mlp_passing = 0;
  double mlp_recomputed = 0;       // in flight too, but of some sequences alone (model/recompute.h)
  bool recomputes_hidden = false;  // the MLP's hidden values among them
  double mlp_forward = 0;          // in flight in the forward pass, where nothing of it is kept

  ActivationBytes& operator+=(const ActivationBytes& other);
};

struct PartShape {
  std::vector<Parameter> parameters;
  AdapterSpec adapter = {};                 // beside those of them that are adaptable
  double flops_per_token = 0;               // forward, at context T
  std::int64_t cache_values_per_token = 0;  // what decoding must keep
  std::int64_t cache_values_fixed = 0;
  ActivationBytes activations;
};

// The layer that owns a parameter of this layer: itself, or the one whose maps it shares.
std::int64_t owner_of(const LayerSpec& layer, const Parameter& parameter);

// All parts of a layer, in the order of their parameters.
std::vector<PartShape> layer_parts(const LayerSpec& layer);

// The parts of a layer beside its mechanisms; empty where switched off.
PartShape multi_head_shape(const LayerSpec& layer);  // attention_shape.cpp; spec, section 2
PartShape latent_shape(const LayerSpec& layer);      // attention_shape.cpp; spec, section 2
PartShape deepseek_shape(const LayerSpec& layer);    // attention_shape.cpp
PartShape attention_shape(const LayerSpec& layer);   // whichever of them is configured
PartShape mlp_shape(const LayerSpec& layer);         // mlp_shape.cpp; spec, section 3
PartShape norms_shape(const LayerSpec& layer);       // mlp_shape.cpp; spec, section 1

// The decoder of an autoencoder, behind all layers; empty where there is none. Its bytes are `mlp_kept`.
PartShape autoencoder_shape(const ModelSpec& model);  // autoencoder_shape.cpp

// Shorthands for the distributions of spec, section 4.
Parameter linear(const std::string& name, std::int64_t out, std::int64_t in, double deviation,
                 const char* part);
Parameter constant(const std::string& name, std::int64_t size, double value, const char* part);
// The weight of a linear layer that adapters may stand beside.
Parameter adaptable(Parameter weight);

// Those of the norm `name` of E channels: weight and bias, as far as there are any.
std::vector<Parameter> norm_parameters(const std::string& name, std::int64_t E, const NormOptions& norm,
                                       bool bias);

constexpr double kFloatBytes = 4;                // statistics, softmax, the residual stream, weights
double value_bytes(const ComputeSpec& compute);  // of what matrix products read and make

// Bytes a token of a norm's input and statistics, and of its output as the next map's input.
double norm_kept_bytes(const LayerSpec& layer);

// Whether attention goes through the kernels (model/kernel/fused_attention.h), on a CPU that has them: they
// keep logarithmic sums where the written-out form keeps P. Or through LibTorch's, which keeps them too
// (model/attention/attend.h).
bool attends_by_kernels(const LayerSpec& layer);
bool attends_by_library(const LayerSpec& layer);

}  // namespace kablate
