// GPT-2 written without a single switch on the same kernels of ATen: what the program must equal bit for bit
// where every mechanism is off. With biases, norms before, tied head, GELU by the error function, no dropout.
#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace kablate {

struct PlainGpt {
  std::int64_t layers, heads;
  at::ScalarType dtype;                       // of matrix products
  std::map<std::string, at::Tensor> weights;  // float32, by checkpoint name

  at::Tensor multi_head_logits(const at::Tensor& tokens) const;  // [B, T] to [B, T, V]
  at::Tensor latent_logits(const at::Tensor& tokens) const;      // latent attention: step 0 of the ladder
};

}  // namespace kablate
