// GPT with multi-head or latent attention, written a second time without any mechanism: what the program must
// equal to the bit where all of them are off, in the audit and in the model's tests. It knows the choices of
// the plain model (biases, norms and their placement, positions, activation, shared maps, heads of keys, MLPs
// of some layers or of each head, experts) and calls LibTorch's operators alone; but where the model computes
// by the kernels of this CPU, its functions are shared, since no other sum has their bits: linear(), the
// activations, add_norm() and fused_attention(). Those are held against LibTorch's by their own tests, and
// the arithmetic gate compares what they give with float64, where nothing is shared.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.h"
#include "model/dims.h"

namespace kablate {

class PlainModel {
 public:
  // `weights` by checkpoint name, float32, or float64 where `dtype` is; `dtype` of matrix products.
  PlainModel(const Config& config, std::map<std::string, Tensor> weights, at::ScalarType dtype);

  Tensor logits(const Tensor& tokens_BT) const;  // [B, T, V]
  Tensor critic(const Tensor& tokens_BT) const;  // [B, T]

  // n·Σ_e f_e·P_e of the experts, summed over layers (model/experts.h). REQUIRES: there are some.
  Tensor balance(const Tensor& tokens_BT) const;

 private:
  const Tensor& weight(const std::string& name) const { return weights_.at(name); }
  Tensor bias(const std::string& name) const;                     // undefined where there is none
  Tensor linear(const Tensor& x, const std::string& name) const;  // with its bias, where there is one
  Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) const;
  Tensor norm(const Tensor& x, const std::string& name, at::ScalarType type) const;
  Tensor norm(const Tensor& x, NormKind kind, const Tensor& scale, const Tensor& shift, at::ScalarType type,
              double epsilon = 1e-5) const;
  Tensor rms(const Tensor& x, const std::string& name, double epsilon) const;  // a latent's
  Tensor scaled(const Tensor& c) const;
  Tensor turned(const Tensor& y) const;
  Tensor heads(const Tensor& y) const;    // [B, T, E] or one head's [B, T, D] to [B, H, T, D]
  Tensor rotated(const Tensor& x) const;  // [B, T, heads, D] in float32 or float64
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, double width) const;
  Tensor multi_head(const Tensor& x, const std::string& name) const;
  Tensor latent(const Tensor& x, const std::string& name, std::int64_t L) const;
  Tensor deepseek(const Tensor& x, const std::string& name, std::int64_t L) const;
  // By the MLP's map `name`: of all channels, or of each head's.
  Tensor mlp_map(const Tensor& x, const std::string& name) const;
  Tensor mlp(const Tensor& x, const std::string& name) const;
  // Of an MLP with experts; `balances` gets that of each layer.
  Tensor experts(const Tensor& x, const std::string& name, std::vector<Tensor>* balances) const;
  Tensor reconstructed(const Tensor& x) const;  // an autoencoder's decoder, before the last norm
  Tensor final_values(const Tensor& tokens_BT,
                      std::vector<Tensor>* balances = nullptr) const;  // [B, T, E], normed
  template <typename Function>
  Tensor residual(const Tensor& x, const std::string& name, Function f) const;

  Config c_;
  std::map<std::string, Tensor> weights_;  // shared ones under every name by which a layer uses them
  at::ScalarType dtype_;
  bool by_kernels_;  // as the model computes
};

}  // namespace kablate
