#include "support/engine/reference_model.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "support/engine/reference_latent.h"

namespace kablate::reference {
namespace {

// What block l hands to block l+1; empty where it hands nothing.
struct Context {
  Matrix gate;    // g [T][H]
  Matrix latent;  // [T][L]
};

Matrix scaled(const Matrix& x, double factor) {
  Matrix y = zeros(x.size(), x[0].size());
  add(y, x, factor);
  return y;
}

// What a block's attention leaves for its MLP.
struct ReferenceAttention {
  std::vector<Matrix> weights;  // P [H][T][T]
  Matrix keys;                  // c_k [T][L]
};

class Sequence {
 public:
  Sequence(const Config& config, const Weights& weights, const Options& options)
      : c_(config),
        weights_(weights),
        held_(options.held),
        drop_(options.drop),
        sight_{.causal = config.attention.direction == Direction::kCausal, .keep = options.keep},
        E_(static_cast<std::size_t>(config.gpt.width)),
        H_(static_cast<std::size_t>(config.gpt.num_heads)),
        K_(config.attention.key_heads > 0 ? static_cast<std::size_t>(config.attention.key_heads) : H_),
        D_(E_ / H_),
        blocks_(static_cast<std::size_t>(config.gpt.num_layers)) {}

  Output run(const std::vector<std::int64_t>& tokens) {
    const auto& wte = weight("transformer.wte.weight").values;
    Matrix x = zeros(tokens.size(), E_);
    for (std::size_t t = 0; t < tokens.size(); ++t)
      for (std::size_t e = 0; e < E_; ++e) x[t][e] = wte[static_cast<std::size_t>(tokens[t]) * E_ + e];
    if (c_.gpt.positions == Positions::kLearned)
      for (std::size_t t = 0; t < tokens.size(); ++t)
        for (std::size_t e = 0; e < E_; ++e) x[t][e] += weight("transformer.wpe.weight").values[t * E_ + e];
    drop("embedding", x);
    Context context;
    for (block_ = 0; block_ < blocks_; ++block_) x = block(x, context);
    if (c_.gpt.autoencoder) x = reconstructed(x);
    x = norm(x, "transformer.ln_f");
    const Matrix logits =
        linear(x, weight(c_.gpt.tie_embeddings ? "transformer.wte.weight" : "lm_head.weight"));
    Matrix critic;
    if (c_.objective.critic) critic = linear(x, weight("critic.weight"), &weight("critic.bias"));
    return {logits, critic, routing_, traces_};
  }

 private:
  // All positions said from the state at the last one that is no padding, and the code of each place.
  Matrix reconstructed(const Matrix& states) const {
    std::size_t last = states.size() - 1;
    while (!sight_.sees(last, last)) --last;
    Matrix x = with_place_codes(states[last], states.size());
    for (const std::string i : {"1", "2"}) {
      const Weight &map = weight("decoder.fc_" + i + ".weight"), *shift = bias("decoder.fc_" + i + ".bias");
      x = linear(norm(x, "decoder.ln_" + i), map, shift);
      each(x, [](double value) { return activate(Activation::kGelu, value); });
    }
    return x;
  }

  const Weight& weight(const std::string& name) const {
    const auto found = weights_.find(name);
    if (found == weights_.end()) throw std::out_of_range("the reference needs " + name);
    return found->second;
  }
  const Weight* bias(const std::string& name) const { return c_.gpt.bias ? &weight(name) : nullptr; }
  std::string name(const std::string& key) const {
    return "transformer.h." + std::to_string(block_) + "." + key;
  }

  // The block's linear layer `key`, "attn.c_attn", whose map and bias may be another block's, with its own
  // adapter: W·x + b + alpha/rank·B·A·drop(x).
  Matrix mapped(const Matrix& x, const std::string& key, bool biased) const {
    const auto owner = c_.gpt.share_main ? 0 : key.starts_with("mlp.") ? mlp_owner() : block_;
    const std::string shared = "transformer.h." + std::to_string(owner) + "." + key, own = name(key);
    Matrix y = linear(x, weight(shared + ".weight"), biased ? bias(shared + ".bias") : nullptr);
    if (!weights_.contains(own + ".lora_A.weight")) return y;
    Matrix read = x;
    if (c_.lora.dropout > 0) drop(own + ".lora", read);
    add(y, linear(linear(read, weight(own + ".lora_A.weight")), weight(own + ".lora_B.weight")),
        c_.lora.alpha / static_cast<double>(c_.lora.rank));
    return y;
  }

  Matrix norm(const Matrix& x, const std::string& prefix) const {
    const Vector scale = c_.gpt.norm.affine ? weight(prefix + ".weight").values : Vector(E_, 1);
    if (c_.gpt.norm.kind == NormKind::kRmsNorm) return rms_norm(x, scale);
    return layer_norm(x, scale, c_.gpt.norm.affine ? bias(prefix + ".bias") : nullptr);
  }

  // Row after row, from `first` on among the site's elements.
  Matrix& drop(const std::string& site, Matrix& x, std::size_t first = 0) const {
    for (auto& row : x)
      for (auto& value : row) value *= drop_ ? drop_(site, first++) : 1;
    return x;
  }

  template <typename Function>
  Matrix residual(const Matrix& x, const char* which, Function f) const {
    const bool post = c_.gpt.norm_placement == NormPlacement::kPost;
    const bool hybrid = c_.gpt.norm_placement == NormPlacement::kHybrid;
    const Matrix change = f(post ? x : norm(x, name(which)));
    Matrix y = x;
    add(y, hybrid ? norm(change, name(which) + "_post") : change);
    return post ? norm(y, name(which)) : y;
  }

  Matrix block(const Matrix& x, Context& context) {
    const Context below = context;
    context = {};
    traces_.emplace_back();
    routing_.kept.emplace_back();  // nothing, where the block has no MLP
    routing_.rows.emplace_back();
    routing_.chosen.emplace_back(), routing_.p.emplace_back();
    const auto& expansions = c_.mlp.expansion.values;
    F_ = static_cast<std::size_t>(
        std::llround(expansions[expansions.size() == 1 ? 0 : block_] * static_cast<double>(E_)));
    const auto& latents = c_.attention.latent_dim.values;
    L_ = static_cast<std::size_t>(latents[latents.size() == 1 ? 0 : block_]);
    ReferenceAttention attention;
    const auto attend = [&](const Matrix& in) {
      Matrix out =
          c_.attention.latent ? latent_attention(in, below, attention) : multi_head(in, below, attention);
      return drop(name("attn"), out);
    };
    const Matrix mixed = c_.gpt.attention ? residual(x, "ln_1", attend) : x;
    traces_.back().weights = attention.weights;
    if (F_ == 0) return mixed;
    return residual(mixed, "ln_2", [&](const Matrix& in) {
      Matrix out = mlp(in, attention, context);
      return drop(name("mlp"), out);
    });
  }

  // The weights of head h as they reach the values; routing takes them before.
  Matrix dropped(Matrix p, std::size_t h) const {
    return drop(name("attn.weights"), p, h * p.size() * p.size());
  }

  // Columns first … first + D of x normed by themselves, then rotated, as far as either is asked for.
  void prepare_head(Matrix& x, std::size_t first) const {
    if (c_.attention.qk_norm) {
      Matrix head = zeros(x.size(), D_);
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t d = 0; d < D_; ++d) head[t][d] = x[t][first + d];
      head = rms_norm(head, Vector(D_, 1));
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t d = 0; d < D_; ++d) x[t][first + d] = head[t][d];
    }
    if (c_.gpt.positions == Positions::kRotary) rotate(x, first, D_, c_.gpt.rope_base);
  }

  // P = softmax(q·kᵀ/√D + causal), o_h = P_h·v_h; query head h reads head h ÷ (H/K) of keys and values
  Matrix multi_head(const Matrix& x, const Context& below, ReferenceAttention& attention) const {
    const std::size_t T = x.size();
    Matrix qkv = mapped(x, "attn.c_attn", true);
    for (std::size_t head = 0; head < H_ + K_; ++head) prepare_head(qkv, head * D_);
    Matrix heads = zeros(T, E_);
    for (std::size_t h = 0; h < H_; ++h) {
      const std::size_t kept = h / (H_ / K_), key = E_ + kept * D_, value = E_ + (K_ + kept) * D_;
      Matrix scores = zeros(T, T);
      for (std::size_t t = 0; t < T; ++t)
        for (std::size_t s = 0; s < T; ++s)
          for (std::size_t d = 0; d < D_; ++d)
            scores[t][s] += qkv[t][h * D_ + d] * qkv[s][key + d] / std::sqrt(static_cast<double>(D_));
      attention.weights.push_back(softmax(scores, sight_));
      route(dropped(attention.weights[h], h), qkv, h * D_, (h + 1) * D_, heads, value - h * D_);
    }
    gate_heads(heads, below.gate);
    return mapped(heads, "attn.c_proj", true);
  }

  // Of either form: keys with α times what mechanism 3 of the block below hands up, scores, values by head.
  Matrix latent_attention(const Matrix& x, const Context& below, ReferenceAttention& attention) {
    Trace& trace = traces_.back();
    if (!below.latent.empty()) trace.key_addition = scaled(below.latent, c_.coupler.alpha);
    const BlockWeights block = {
        .weight = [this](const std::string& key) -> const Weight& {
          const bool norm = key.find("norm") != std::string::npos;  // the block's own
          return weight(c_.gpt.share_main && !norm ? "transformer.h.0." + key : name(key));
        },
        .mapped = [this](const Matrix& in, const std::string& key) { return mapped(in, key, false); }};
    const LatentHeads made = latent_heads(c_, x, L_, trace.key_addition, block);
    trace.keys = made.latent, attention.keys = made.keys;
    Matrix heads = zeros(x.size(), E_);
    for (std::size_t h = 0; h < H_; ++h) {
      attention.weights.push_back(softmax(made.scores[h], sight_));
      route(dropped(attention.weights[h], h), made.values, h * D_, (h + 1) * D_, heads);
    }
    gate_heads(heads, below.gate);
    const bool deepseek = c_.attention.form == MlaForm::kDeepseek;
    return mapped(heads, deepseek ? "attn.o_proj" : "attn.out_proj", false);
  }

  // o_h[t] <- (1-α)·o_h[t] + α·g[t,h]·o_h[t]
  void gate_heads(Matrix& heads, const Matrix& gate) const {
    if (gate.empty()) return;
    const double alpha = c_.gate.alpha;
    for (std::size_t t = 0; t < heads.size(); ++t)
      for (std::size_t e = 0; e < E_; ++e)
        heads[t][e] = (1 - alpha) * heads[t][e] + alpha * gate[t][e / D_] * heads[t][e];
  }

  // act(x·c_fc) of the MLP whose maps' names begin with `which`.
  Matrix hidden(const Matrix& x, const std::string& which = "") const {
    Matrix u = mlp_map(x, which + "c_fc");
    if (c_.mlp.activation == Activation::kSwiglu) {
      const Matrix g = mlp_map(x, which + "c_gate");
      for (std::size_t t = 0; t < u.size(); ++t)
        for (std::size_t f = 0; f < F_; ++f) u[t][f] *= g[t][f] / (1 + std::exp(-g[t][f]));
    } else {
      each(u, [this](double value) { return activate(c_.mlp.activation, value); });
    }
    return u;
  }

  // Every expert on every position: y = Σ w_k·MLP_{e_k}(x), and mechanism 1 of Σ w_k·u_{e_k}.
  Matrix experts(const Matrix& x, Context& above) {
    const Matrix p = softmax(mapped(x, "mlp.router", false), {.causal = false});
    Matrix weights = zeros(x.size(), p[0].size()), y = zeros(x.size(), E_), u = zeros(x.size(), F_);
    const auto top = static_cast<std::size_t>(c_.mlp.experts_top);
    for (std::size_t t = 0; t < x.size(); ++t) {
      const auto chosen = held_ != nullptr ? held_->chosen[block_][t] : largest(p[t], top, routing_.margin);
      const double sum = chosen.size() == 1 ? 1 : p[t][chosen[0]] + p[t][chosen[1]];
      for (const auto e : chosen) weights[t][e] = p[t][e] / sum;
      routing_.chosen.back().push_back(chosen);
    }
    routing_.p.back() = p;
    for (std::size_t e = 0; e < p[0].size(); ++e) {
      const std::string which = "experts." + std::to_string(e) + ".";
      const Matrix own = hidden(x, which), out = mlp_map(own, which + "c_proj");
      for (std::size_t t = 0; t < x.size(); ++t) {
        for (std::size_t i = 0; i < E_; ++i) y[t][i] += weights[t][e] * out[t][i];
        for (std::size_t f = 0; f < F_; ++f) u[t][f] += weights[t][e] * own[t][f];
      }
    }
    if (c_.gate.enabled && block_ + 1 < blocks_) above.gate = traces_.back().gate = make_gate(u);
    return y;
  }

  Matrix mlp(const Matrix& x, const ReferenceAttention& attention, Context& above) {
    if (c_.mlp.experts > 0) return experts(x, above);
    Matrix u = hidden(x);
    if (c_.mlp.learned_width) {
      const auto& gates = weight(name("mlp.unit_gate")).values;
      for (auto& row : u)
        for (std::size_t f = 0; f < F_; ++f) row[f] *= 2 / (1 + std::exp(-gates[f]));
    }
    const bool last = block_ + 1 == blocks_;
    Trace& trace = traces_.back();
    if (c_.coupler.enabled) {
      if (!last) above.latent = latent_context(u);
      trace.u = u;
      trace.enrichment = scaled(enrichment(attention.keys), c_.coupler.alpha);
      add(u, trace.enrichment);
    }
    if (c_.cross.enabled) {
      trace.u_enriched = u;
      trace.cross = scaled(cross_token(u, attention.weights), c_.cross.alpha);
      add(u, trace.cross);
    }
    if (c_.gate.enabled && !last) above.gate = trace.gate = make_gate(u);
    return mlp_map(u, "c_proj");
  }

  // The layer under whose name the block's MLP stands.
  std::size_t mlp_owner() const {
    if (c_.gpt.share_main) return 0;
    const auto k = static_cast<std::size_t>(c_.mlp.share_layers);
    return c_.mlp.share_pattern == SharePattern::kCyclic ? block_ % (blocks_ / k) : block_ / k * k;
  }

  // By one map of all channels, or by that of each head's own.
  Matrix mlp_map(const Matrix& x, const std::string& key) const {
    if (!c_.mlp.per_head) return mapped(x, "mlp." + key, true);
    const std::string of_mlp = "transformer.h." + std::to_string(mlp_owner()) + ".mlp." + key;
    const Weight &map = weight(of_mlp + "_heads"), *shift = bias(of_mlp + "_heads_bias");
    return linear_by_head(x, map, shift, H_, static_cast<std::size_t>(c_.mlp.share_heads));
  }

  // Mechanism 1: g = σ(pool(u·gate_proj)·gate_to_heads)
  Matrix make_gate(const Matrix& u) const {
    const Matrix narrow = linear(u, weight(name("mlp.gate_proj.weight")));
    Matrix gate = linear(pooled(narrow, c_.gate.pool, sight_), weight(name("mlp.gate_to_heads.weight")));
    each(gate, [](double value) { return 1 / (1 + std::exp(-value)); });
    return gate;
  }

  // Mechanism 2: (R·u)·cross_proj
  Matrix cross_token(const Matrix& u, const std::vector<Matrix>& weights) {
    const std::size_t T = u.size();
    std::vector<Matrix> rows = weights;  // HEAD_AVERAGE=n: head h routes the h-th of H groups of channels
    if (c_.cross.head_average) {
      rows = {zeros(T, T)};
      for (const auto& p : weights) add(rows[0], p, 1 / static_cast<double>(H_));
    }
    Matrix routed = zeros(T, F_);
    for (std::size_t g = 0; g < rows.size(); ++g) {
      const std::size_t group = F_ / rows.size();
      route(sparsified(rows[g], g), u, g * group, (g + 1) * group, routed);
    }
    if (c_.cross.rank == 0) return linear(routed, weight(name("mlp.cross_proj.weight")));
    return linear(linear(routed, weight(name("mlp.cross_down.weight"))), weight(name("mlp.cross_up.weight")));
  }

  Matrix sparsified(const Matrix& rows, std::size_t group) {
    const std::size_t T = rows.size();
    Matrix kept = zeros(T, T), r = rows;
    for (std::size_t t = 0; t < T; ++t) {
      switch (c_.cross.sparsity) {
        case Sparsity::kNone:
          kept[t] = Vector(T, 1);
          break;
        case Sparsity::kTopK:
          kept[t] = keep_top_k(rows[t], t, static_cast<std::size_t>(c_.cross.top_k), routing_.margin, sight_);
          break;
        case Sparsity::kRms:
          kept[t] = keep_rms(rows[t], t, c_.cross.rms_threshold, routing_.margin, sight_);
          break;
      }
      if (held_ != nullptr) kept[t] = held_->kept[block_][group][t];
      double sum = 0;
      for (std::size_t s = 0; s < T; ++s) sum += r[t][s] *= kept[t][s];
      if (c_.cross.normalize && c_.cross.sparsity != Sparsity::kNone)
        for (auto& value : r[t]) value /= std::max(sum, 1e-8);
    }
    if (held_ != nullptr && c_.cross.detach) r = held_->rows[block_][group];
    routing_.kept.back().push_back(kept);
    routing_.rows.back().push_back(r);
    return r;
  }

  // Mechanism 3, attention to MLP: c_k·A, c_k·Wᵀ, or a[⌊f·H/F⌋]·c_k[⌊f·L/F⌋]
  Matrix enrichment(const Matrix& keys) const {
    if (c_.coupler.tying == Tying::kUntied)
      return linear(keys, weight(name("mlp.coupler.attn_to_mlp.weight")));
    if (c_.coupler.tying == Tying::kTiedTranspose) return linear(keys, weight(name("mlp.coupler.W")));
    const auto& a = weight(name("mlp.coupler.alpha_attn_to_mlp")).values;
    Matrix enrich = zeros(keys.size(), F_);
    for (std::size_t t = 0; t < keys.size(); ++t)
      for (std::size_t f = 0; f < F_; ++f) enrich[t][f] = a[f * H_ / F_] * keys[t][f * L_ / F_];
    return enrich;
  }

  // Mechanism 3, MLP to attention: u·B or u·B₁·B₂, u·W, or b[⌊l·H/L⌋]·(L/F)·Σ u[f] over ⌊f·L/F⌋ = l
  Matrix latent_context(const Matrix& u) const {
    if (c_.coupler.tying == Tying::kUntied) {
      const Matrix in =
          c_.coupler.bottleneck > 0 ? linear(u, weight(name("mlp.coupler.mlp_down.weight"))) : u;
      return linear(in, weight(name("mlp.coupler.mlp_to_attn.weight")));
    }
    Matrix context = zeros(u.size(), L_);
    const bool tied = c_.coupler.tying == Tying::kTiedTranspose;
    const auto& map = weight(name(tied ? "mlp.coupler.W" : "mlp.coupler.alpha_mlp_to_attn")).values;
    for (std::size_t t = 0; t < u.size(); ++t)
      for (std::size_t f = 0; f < F_; ++f) {
        const std::size_t own = f * L_ / F_;
        if (!tied)
          context[t][own] += map[own * H_ / L_] * static_cast<double>(L_) / static_cast<double>(F_) * u[t][f];
        for (std::size_t l = 0; tied && l < L_; ++l) context[t][l] += u[t][f] * map[f * L_ + l];
      }
    return context;
  }

  const Config& c_;
  const Weights& weights_;
  const Routing* held_;
  Drop drop_;
  Sight sight_;
  std::size_t E_, H_, K_, D_, blocks_, block_ = 0, L_ = 0, F_ = 0;  // the block at hand, and its widths
  Routing routing_;
  std::vector<Trace> traces_;
};

}  // namespace

Output forward(const Config& config, const Weights& weights, const std::vector<std::int64_t>& tokens,
               const Options& options) {
  return Sequence(config, weights, options).run(tokens);
}

}  // namespace kablate::reference
