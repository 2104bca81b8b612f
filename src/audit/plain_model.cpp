#include "audit/plain_model.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "model/adapter.h"
#include "model/kernel/cpu_kernels.h"
#include "model/kernel/fused_activation.h"
#include "model/kernel/fused_attention.h"
#include "model/kernel/fused_norm.h"
#include "model/linear.h"
#include "shape/model_spec.h"
#include "shape/parameter.h"

namespace kablate {

PlainModel::PlainModel(const Config& config, std::map<std::string, Tensor> weights, at::ScalarType dtype)
    : c_(config),
      weights_(std::move(weights)),
      dtype_(dtype),
      by_kernels_(dtype != at::kDouble && kernel::cpu_kernels() != nullptr) {
  // What a layer shares stands under its own names too.
  const auto given = weights_;
  for (std::int64_t i = 0; i < c_.gpt.num_layers; ++i)
    for (const auto& [part, owner] : {std::pair{"attn.", c_.attention_owner(i)}, {"mlp.", c_.mlp_owner(i)}})
      for (const auto& [name, tensor] : given)
        if (const std::string prefix = layer_prefix(owner) + part; name.starts_with(prefix))
          weights_.try_emplace(layer_prefix(i) + part + name.substr(prefix.size()), tensor);
}

Tensor PlainModel::bias(const std::string& name) const {
  const auto found = weights_.find(name + ".bias");
  return found == weights_.end() ? Tensor() : found->second;
}

Tensor PlainModel::linear(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  if (by_kernels_) return kablate::linear(x, weight, bias, dtype_);
  return at::linear(x.to(dtype_), weight.to(dtype_), bias.defined() ? bias.to(dtype_) : bias);
}

Tensor PlainModel::linear(const Tensor& x, const std::string& name) const {
  const Tensor &map = weight(name + ".weight"), shift = bias(name);
  const auto found = weights_.find(name + kAdapterDown);
  if (found == weights_.end()) return linear(x, map, shift);
  const Tensor &A = found->second, &B = weight(name + kAdapterUp), in = x.to(dtype_);
  const double scale = c_.lora.alpha / static_cast<double>(c_.lora.rank);
  if (by_kernels_) return adapted(in, in, {map, shift, {A, B, scale, 0, ""}}, dtype_);
  return at::add(linear(in, map, shift), linear(linear(in, A, {}), B, {}), scale);
}

Tensor PlainModel::norm(const Tensor& x, const std::string& name, at::ScalarType type) const {
  const auto [kind, affine] = c_.gpt.norm;
  return norm(x, kind, affine ? weight(name + ".weight") : Tensor(), affine ? bias(name) : Tensor(), type);
}

Tensor PlainModel::norm(const Tensor& x, NormKind kind, const Tensor& scale, const Tensor& shift,
                        at::ScalarType type, double epsilon) const {
  if (by_kernels_) return add_norm(x, {}, {kind, scale, shift, epsilon}, type).normed;
  const auto given = [](const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
  const Tensor wide = x.to(statistics_type(x.scalar_type()));
  if (kind == NormKind::kRmsNorm) return at::rms_norm(wide, {x.size(-1)}, given(scale), epsilon).to(type);
  return at::layer_norm(wide, {x.size(-1)}, given(scale), given(shift), epsilon).to(type);
}

Tensor PlainModel::heads(const Tensor& y) const {
  const auto B = y.size(0), T = y.size(1), H = c_.gpt.num_heads, D = c_.head_dim();
  const Tensor split = y.size(2) == H * D ? y.view({B, T, H, D}) : y.unsqueeze(2).expand({B, T, H, D});
  return split.transpose(1, 2);
}

// Channel pairs (i, i + D/2) turned by t·base^(-2i/D).
Tensor PlainModel::rotated(const Tensor& x) const {
  const auto T = x.size(1), D = x.size(3);
  std::vector<double> cosines, sines;
  for (std::int64_t t = 0; t < T; ++t)
    for (std::int64_t i = 0; i < D / 2; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(D);
      const double angle = static_cast<double>(t) * std::pow(c_.gpt.rope_base, exponent);
      cosines.push_back(std::cos(angle)), sines.push_back(std::sin(angle));
    }
  const auto table = [&](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).view({T, 1, D / 2}).to(x.scalar_type());
  };
  const Tensor cos = table(cosines), sin = table(sines);
  const auto half = x.split(D / 2, 3);
  return at::cat({half[0] * cos - half[1] * sin, half[1] * cos + half[0] * sin}, 3);
}

// softmax(q·kᵀ/√width + causal)·v by what the model would use: the kernel, LibTorch's or written out; heads
// side by side: [B, T, E]
Tensor PlainModel::attend(const Tensor& q, const Tensor& keys, const Tensor& values, double width) const {
  const bool causal = !c_.bidirectional();
  if (by_kernels_ && fused_attention_serves(q))
    return fused_attention(
               {q.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), 1 / std::sqrt(width)}, {},
               {}, causal)
        .values_BTHC.flatten(2);
  const auto group = q.size(1) / keys.size(1);  // heads of queries that read one of keys
  const auto for_each_query = [&](const Tensor& x) {
    return group == 1 ? x : x.transpose(1, 2).repeat_interleave(group, 2).transpose(1, 2);
  };
  const Tensor k = for_each_query(keys), v = for_each_query(values);
  // LibTorch's products round by how their factors lie in memory: a position's heads side by side, as the
  // model has them.
  const auto laid = [](const Tensor& x) { return x.transpose(1, 2).contiguous().transpose(1, 2); };
  if (dtype_ != at::kDouble)
    return at::scaled_dot_product_attention(laid(q), laid(k), laid(v), {}, 0, causal, 1 / std::sqrt(width))
        .transpose(1, 2)
        .flatten(2);
  const auto B = q.size(0), H = q.size(1), T = q.size(2), D = q.size(3);
  Tensor mask = at::zeros({1, T, T}, q.options());
  if (causal) mask = at::full_like(mask, -std::numeric_limits<double>::infinity()).triu(1);
  const Tensor scores = at::baddbmm(mask, q.reshape({B * H, T, D}), k.reshape({B * H, T, D}).transpose(1, 2),
                                    1, 1 / std::sqrt(width));
  const Tensor p = at::softmax(scores.view({B, H, T, T}), -1);
  return at::matmul(p, v).transpose(1, 2).flatten(2);
}

Tensor PlainModel::multi_head(const Tensor& x, const std::string& name) const {
  const auto B = x.size(0), T = x.size(1), H = c_.gpt.num_heads, K = c_.key_heads(), D = c_.head_dim();
  const Tensor all = linear(x, name + "c_attn").view({B, T, H + 2 * K, D});
  Tensor turned = all.narrow(2, 0, H + K);
  const auto wide = statistics_type(dtype_);
  if (c_.attention.qk_norm) turned = norm(turned, NormKind::kRmsNorm, {}, {}, wide);
  if (c_.gpt.positions == Positions::kRotary) turned = rotated(turned.to(wide));
  turned = turned.to(dtype_);
  const auto side = [](const Tensor& heads) { return heads.transpose(1, 2); };
  const Tensor o = attend(side(turned.narrow(2, 0, H)), side(turned.narrow(2, H, K)),
                          side(all.narrow(2, H + K, K)), static_cast<double>(D));
  return linear(o, name + "c_proj");
}

Tensor PlainModel::rms(const Tensor& x, const std::string& name, double epsilon) const {
  return norm(x.to(statistics_type(dtype_)), NormKind::kRmsNorm, weight(name + ".weight"), {}, dtype_,
              epsilon);
}

// √(E/width), where what the maps up read of a latent of that width is scaled.
Tensor PlainModel::scaled(const Tensor& c) const {
  if (!c_.attention.latent_scale || c.size(-1) == c_.gpt.width) return c;
  return c * std::sqrt(static_cast<double>(c_.gpt.width) / static_cast<double>(c.size(-1)));
}

// y [B, T, J·R] as J heads, turned, [B, J, T, R].
Tensor PlainModel::turned(const Tensor& y) const {
  const Tensor heads = y.view({y.size(0), y.size(1), -1, c_.attention.rope_dim});
  return rotated(heads.to(statistics_type(dtype_))).to(dtype_).transpose(1, 2);
}

Tensor PlainModel::latent(const Tensor& x, const std::string& name, std::int64_t L) const {
  constexpr double kEpsilon = 1e-5;
  const auto& mla = c_.attention;
  const bool slice = mla.latent_source == LatentSource::kSlice, shared = mla.shared_kv;
  const auto map = [&](const Tensor& c, const Tensor& w) { return heads(linear(scaled(c), w, {})); };
  const Tensor narrow = x.to(dtype_);
  const auto source = [&](const std::string& of) {
    const Tensor c = slice ? narrow.narrow(2, 0, L) : linear(narrow, name + of + "_down");
    return mla.latent_norm ? rms(c, name + of + "_norm", kEpsilon) : c;
  };
  Tensor q = heads(linear(narrow, name + "q_proj"));
  const Tensor c_k = source(shared ? "kv" : "k");
  const Tensor c_v = shared ? c_k : source("v");
  Tensor k = mla.per_head_q_latent ? map(c_k, weight(name + "q_to_latent").flatten(0, 1))
                                   : map(c_k, weight(name + "q_to_latent_shared.weight").t());
  const Tensor v = mla.per_head_v_up ? map(c_v, weight(name + "v_up").transpose(1, 2).flatten(0, 1))
                                     : map(c_v, weight(name + "v_up_shared.weight"));
  if (mla.rope_dim > 0) {
    const Tensor k_rope = turned(linear(narrow, name + "k_rope"));
    q = at::cat({q, turned(linear(narrow, name + "q_rope"))}, 3);
    k = at::cat({k, k_rope.expand({-1, k.size(1), -1, -1})}, 3);
  }
  return linear(attend(q, k, v, static_cast<double>(L + mla.rope_dim)), name + "out_proj");
}

Tensor PlainModel::deepseek(const Tensor& x, const std::string& name, std::int64_t L) const {
  constexpr double kEpsilon = 1e-6;
  const auto& mla = c_.attention;
  const auto B = x.size(0), T = x.size(1), H = c_.gpt.num_heads, D = c_.head_dim(), R = mla.rope_dim;
  const Tensor narrow = x.to(dtype_);
  const Tensor all =
      mla.q_latent_dim == 0
          ? linear(narrow, name + "q_proj")
          : linear(scaled(rms(linear(narrow, name + "q_a_proj"), name + "q_a_layernorm", kEpsilon)),
                   name + "q_b_proj");
  Tensor q = all.view({B, T, H, D + R}).transpose(1, 2);
  const bool slice = mla.latent_source == LatentSource::kSlice;
  const Tensor down = slice && R == 0 ? Tensor() : linear(narrow, name + "kv_a_proj_with_mqa");
  const Tensor c = rms((slice ? narrow : down).narrow(2, 0, L), name + "kv_a_layernorm", kEpsilon);
  const auto up = [&](std::int64_t part) {
    const Tensor map =
        weight(name + "kv_b_proj.weight").view({H, 2, D, L}).select(1, part).reshape({H * D, L});
    return linear(scaled(c), map, {}).view({B, T, H, D}).transpose(1, 2);
  };
  Tensor k = up(0);
  const Tensor v = up(1);
  if (R > 0) {
    const Tensor k_r = turned(down.narrow(2, down.size(2) - R, R).contiguous());
    q = at::cat({q.narrow(3, 0, D), turned(q.narrow(3, D, R).transpose(1, 2).reshape({B, T, H * R}))}, 3);
    k = at::cat({k, k_r.expand({B, H, T, R})}, 3);
  }
  return linear(attend(q, k, v, static_cast<double>(D + R)), name + "o_proj");
}

Tensor PlainModel::mlp_map(const Tensor& x, const std::string& name) const {
  if (!c_.mlp.per_head) return linear(x, name);
  const auto H = c_.gpt.num_heads, groups = H / c_.mlp.share_heads;
  const Tensor &maps = weight(name + "_heads"), x_NHi = x.to(dtype_).view({-1, H, x.size(2) / H});
  const auto found = weights_.find(name + "_heads_bias");
  const Tensor bias = found == weights_.end() ? Tensor() : found->second;
  if (groups == 1)
    return linear(x_NHi.view({x.size(0), -1, x_NHi.size(2)}), maps[0], bias.defined() ? bias[0] : bias)
        .view({x.size(0), x.size(1), -1});
  const auto of_heads = [&](const Tensor& of_maps) {
    return of_maps.to(dtype_).repeat_interleave(c_.mlp.share_heads, 0);
  };
  const Tensor in = x_NHi.transpose(0, 1), map = of_heads(maps).transpose(1, 2);
  const Tensor y = bias.defined() ? at::baddbmm(of_heads(bias).unsqueeze(1), in, map) : at::bmm(in, map);
  return y.transpose(0, 1).reshape({x.size(0), x.size(1), -1});
}

Tensor PlainModel::mlp(const Tensor& x, const std::string& name) const {
  const Tensor a = mlp_map(x, name + "c_fc");
  const auto activated = [&]() -> Tensor {
    switch (c_.mlp.activation) {
      case Activation::kGelu:
        return by_kernels_ ? gelu(a, false) : at::gelu(a, "none");
      case Activation::kGeluTanh:
        return by_kernels_ ? gelu(a, true) : at::gelu(a, "tanh");
      case Activation::kRelu2:
        return by_kernels_ ? relu_squared(a) : at::relu(a).square();
      case Activation::kSwiglu:
        break;
    }
    const Tensor gate = mlp_map(x, name + "c_gate");
    return by_kernels_ ? swiglu(a, gate) : at::silu(gate) * a;
  };
  if (!c_.mlp.learned_width) return mlp_map(activated(), name + "c_proj");
  const Tensor u = activated();
  return mlp_map(u * (at::sigmoid(weight(name + "unit_gate")) * 2).to(u.scalar_type()), name + "c_proj");
}

template <typename Function>
Tensor PlainModel::residual(const Tensor& x, const std::string& name, Function f) const {
  const auto wide = x.scalar_type();
  if (c_.gpt.norm_placement == NormPlacement::kPre) return x + f(norm(x, name, dtype_));
  if (c_.gpt.norm_placement == NormPlacement::kPost) return norm(x + f(x), name, wide);
  return x + norm(f(norm(x, name, dtype_)), name + "_post", wide);
}

Tensor PlainModel::logits(const Tensor& tokens_BT) const {
  return linear(final_values(tokens_BT), c_.gpt.tie_embeddings ? "transformer.wte" : "lm_head");
}

Tensor PlainModel::critic(const Tensor& tokens_BT) const {
  return at::linear(final_values(tokens_BT).to(statistics_type(dtype_)), weight("critic.weight"),
                    weight("critic.bias"))
      .squeeze(2);
}

// Each position's code is added to the last state, and goes through two maps.
Tensor PlainModel::reconstructed(const Tensor& x) const {
  const auto T = x.size(1), E = x.size(2), half = E / 2;
  const auto most = static_cast<double>(std::max<std::int64_t>(half - 1, 1));
  const auto wide = statistics_type(dtype_);
  const Tensor places = at::arange(T, at::kDouble).unsqueeze(1),
               rates = at::exp(at::arange(half, at::kDouble) * (-std::log(10000.0) / most)).unsqueeze(0);
  std::vector<Tensor> codes = {at::sin(places * rates), at::cos(places * rates)};
  if (E % 2 == 1) codes.push_back(at::zeros({T, 1}, at::kDouble));
  Tensor y = x.slice(1, T - 1) + at::cat(codes, 1).to(wide);
  for (const std::string i : {"1", "2"})
    y = at::gelu(linear(norm(y, "decoder.ln_" + i, dtype_), "decoder.fc_" + i)).to(wide);
  return y;
}

Tensor PlainModel::final_values(const Tensor& tokens_BT, std::vector<Tensor>* balances) const {
  Tensor x = at::embedding(weight("transformer.wte.weight"), tokens_BT);
  if (c_.gpt.positions == Positions::kLearned)
    x = x + weight("transformer.wpe.weight").narrow(0, 0, tokens_BT.size(1));
  for (std::int64_t i = 0; i < c_.gpt.num_layers; ++i) {
    const std::string block = layer_prefix(i);
    if (c_.gpt.attention)
      x = residual(x, block + "ln_1", [&](const Tensor& in) {
        if (!c_.attention.latent) return multi_head(in, block + "attn.");
        const auto L = c_.attention.latent_dim.at(i);
        return c_.deepseek() ? deepseek(in, block + "attn.", L) : latent(in, block + "attn.", L);
      });
    if (c_.mlp_width(i) > 0)
      x = residual(x, block + "ln_2", [&](const Tensor& in) {
        return c_.mlp.routed() ? experts(in, block + "mlp.", balances) : mlp(in, block + "mlp.");
      });
  }
  if (c_.gpt.autoencoder) x = reconstructed(x);
  return norm(x, "transformer.ln_f", dtype_);
}

}  // namespace kablate
