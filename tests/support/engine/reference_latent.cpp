#include "support/engine/reference_latent.h"

#include <cmath>
#include <cstdlib>

namespace kablate::reference {
namespace {

// Columns first … first + count.
Matrix columns(const Matrix& x, std::size_t first, std::size_t count) {
  Matrix y = zeros(x.size(), count);
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t i = 0; i < count; ++i) y[t][i] = x[t][first + i];
  return y;
}

class Heads {
 public:
  Heads(const Config& config, const Matrix& x, std::size_t L, const BlockWeights& block)
      : c_(config),
        mla_(config.attention),
        x_(x),
        block_(block),
        H_(static_cast<std::size_t>(config.gpt.num_heads)),
        D_(static_cast<std::size_t>(config.gpt.width) / H_),
        L_(L),
        R_(static_cast<std::size_t>(mla_.rope_dim)),
        T_(x.size()) {}

  LatentHeads latent_form(const Matrix& addition) const {
    const bool shared = mla_.shared_kv;
    LatentHeads made = with_keys(latent(shared ? "kv" : "k"), addition);
    const double factor = 1 / std::sqrt(static_cast<double>(L_ + R_));
    const Matrix q = mapped(x_, "q_proj"), keys = read(made.keys);
    for (std::size_t h = 0; h < H_; ++h) made.scores.push_back(latent_scores(q, keys, h, factor));
    if (R_ > 0) {
      Matrix q_rope = mapped(x_, "q_rope"), k_rope = mapped(x_, "k_rope");
      rotate(k_rope, 0, R_, c_.gpt.rope_base);
      for (std::size_t h = 0; h < H_; ++h) {
        rotate(q_rope, h * R_, R_, c_.gpt.rope_base);
        add_scores(q_rope, h * R_, k_rope, 0, R_, factor, made.scores[h]);
      }
    }
    for (auto& scores : made.scores) add_reciprocal(scores);
    made.values = values_of(read(shared ? made.latent : latent("v")));
    return made;
  }

  // A head's plain rows of q before its rotary ones, its k rows before its v rows.
  LatentHeads deepseek_form(const Matrix& addition) const {
    const std::size_t J = D_ + R_;
    const bool slice = mla_.latent_source == LatentSource::kSlice;
    Matrix q = mla_.q_latent_dim == 0
                   ? mapped(x_, "q_proj")
                   : mapped(read(normed(mapped(x_, "q_a_proj"), "q_a_layernorm", 1e-6)), "q_b_proj");
    const Matrix down = slice && R_ == 0 ? x_ : mapped(x_, "kv_a_proj_with_mqa");
    LatentHeads made = with_keys(normed(columns(slice ? x_ : down, 0, L_), "kv_a_layernorm", 1e-6), addition);
    Matrix k_rope = columns(down, down[0].size() - R_, R_);
    if (R_ > 0) rotate(k_rope, 0, R_, c_.gpt.rope_base);
    const Matrix of_keys = mapped(read(made.keys), "kv_b_proj"),
                 of_values = mapped(read(made.latent), "kv_b_proj");
    const double factor = 1 / std::sqrt(static_cast<double>(J));
    made.values = zeros(T_, H_ * D_);
    for (std::size_t h = 0; h < H_; ++h) {
      if (R_ > 0) rotate(q, h * J + D_, R_, c_.gpt.rope_base);
      made.scores.push_back(zeros(T_, T_));
      add_scores(q, h * J, of_keys, 2 * h * D_, D_, factor, made.scores[h]);
      add_scores(q, h * J + D_, k_rope, 0, R_, factor, made.scores[h]);
      for (std::size_t t = 0; t < T_; ++t)
        for (std::size_t d = 0; d < D_; ++d) made.values[t][h * D_ + d] = of_values[t][(2 * h + 1) * D_ + d];
    }
    return made;
  }

 private:
  const Weight& weight(const std::string& map) const { return block_.weight("attn." + map); }
  Matrix mapped(const Matrix& x, const std::string& map) const { return block_.mapped(x, "attn." + map); }
  Matrix normed(const Matrix& c, const std::string& norm, double epsilon) const {
    return rms_norm(c, weight(norm + ".weight").values, epsilon);
  }

  // What the maps up read of a latent.
  Matrix read(const Matrix& c) const {
    const double width = static_cast<double>(c[0].size());
    Matrix y = zeros(c.size(), c[0].size());
    add(y, c, mla_.latent_scale ? std::sqrt(static_cast<double>(c_.gpt.width) / width) : 1);
    return y;
  }

  // `of`: "k", "v" or "kv"
  Matrix latent(const std::string& of) const {
    const Matrix c =
        mla_.latent_source == LatentSource::kSlice ? columns(x_, 0, L_) : mapped(x_, of + "_down");
    return mla_.latent_norm ? normed(c, of + "_norm", 1e-5) : c;
  }

  static LatentHeads with_keys(const Matrix& latent, const Matrix& addition) {
    LatentHeads made{latent, latent, {}, {}};
    if (!addition.empty()) add(made.keys, addition);
    return made;
  }

  // z[t][s] += factor·Σ_i q[t][first_q + i]·k[s][first_k + i]
  void add_scores(const Matrix& q, std::size_t first_q, const Matrix& k, std::size_t first_k,
                  std::size_t count, double factor, Matrix& z) const {
    for (std::size_t t = 0; t < T_; ++t)
      for (std::size_t s = 0; s < T_; ++s)
        for (std::size_t i = 0; i < count; ++i) z[t][s] += q[t][first_q + i] * k[s][first_k + i] * factor;
  }

  // Z_h[t,s] = (q[t,h]·A_h)·c_k[s]·factor
  Matrix latent_scores(const Matrix& q, const Matrix& keys, std::size_t h, double factor) const {
    const bool own = mla_.per_head_q_latent;
    const auto& map = weight(own ? "q_to_latent" : "q_to_latent_shared.weight").values;
    Matrix queries = zeros(T_, L_);  // q[t,h]·A_h
    for (std::size_t t = 0; t < T_; ++t)
      for (std::size_t l = 0; l < L_; ++l)
        for (std::size_t d = 0; d < D_; ++d)
          queries[t][l] += q[t][h * D_ + d] * (own ? map[(h * D_ + d) * L_ + l] : map[l * D_ + d]);
    Matrix z = zeros(T_, T_);
    add_scores(queries, 0, keys, 0, L_, factor, z);
    return z;
  }

  // The band of reciprocal attention, from the scores before the addition.
  void add_reciprocal(Matrix& z) const {
    const Matrix before = z;
    for (std::size_t t = 0; t < T_; ++t)
      for (std::size_t s = 0; s < T_; ++s)
        if (std::abs(static_cast<std::int64_t>(t) - static_cast<std::int64_t>(s)) <= mla_.reciprocal_window)
          z[t][s] += mla_.reciprocal_alpha * before[s][t];
  }

  // c_v[s]·U_h
  Matrix values_of(const Matrix& latents) const {
    const bool own = mla_.per_head_v_up;
    const auto& map = weight(own ? "v_up" : "v_up_shared.weight").values;
    Matrix v = zeros(T_, H_ * D_);
    for (std::size_t s = 0; s < T_; ++s)
      for (std::size_t h = 0; h < H_; ++h)
        for (std::size_t d = 0; d < D_; ++d)
          for (std::size_t l = 0; l < L_; ++l)
            v[s][h * D_ + d] += latents[s][l] * (own ? map[(h * L_ + l) * D_ + d] : map[d * L_ + l]);
    return v;
  }

  const Config& c_;
  const AttentionConfig& mla_;
  const Matrix& x_;
  const BlockWeights& block_;
  std::size_t H_, D_, L_, R_, T_;
};

}  // namespace

LatentHeads latent_heads(const Config& config, const Matrix& x, std::size_t L, const Matrix& addition,
                         const BlockWeights& block) {
  const Heads heads(config, x, L, block);
  return config.attention.form == MlaForm::kDeepseek ? heads.deepseek_form(addition)
                                                     : heads.latent_form(addition);
}

}  // namespace kablate::reference
