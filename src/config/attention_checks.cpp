#include "config/attention_checks.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/layer_lists.h"

namespace kablate {
namespace {

bool rotary(const Config& c) { return c.gpt.positions == Positions::kRotary; }

// What turns or norms queries and keys needs some.
void check_positions(const Config& c) {
  const auto D = c.head_dim();
  if (rotary(c) && !c.gpt.attention)
    throw UserError(
        "POSITIONS = rotary with GPT2_ATTENTION = n: there are no queries and keys to rotate; set "
        "POSITIONS to learned or none, or give the model its attention");
  if (rotary(c) && !c.attention.latent && D % 2 != 0)
    throw UserError(str("POSITIONS = rotary with heads of ", D, " channels (GPT2_N_EMBD = ", c.gpt.width,
                        " over GPT2_N_HEAD = ", c.gpt.num_heads,
                        "): pairs of channels are rotated; choose an even width of a head"));
  if (c.attention.qk_norm && !c.gpt.attention)
    throw UserError(
        "QK_NORM = y with GPT2_ATTENTION = n: there are no queries and keys; switch it off, or give the "
        "model its attention");
  if (c.attention.qk_norm && c.attention.latent)
    throw UserError(
        "QK_NORM = y with ENABLE_RA_MLA = y: it norms the queries and keys of multi-head attention alone; "
        "set QK_NORM to n (RA_MLA_LATENT_NORM norms latents) or ENABLE_RA_MLA to n");
}

void check_key_heads(const Config& c) {
  const auto n = c.attention.key_heads;
  if (n == 0 || !c.gpt.attention) return;
  if (c.attention.latent)
    throw UserError(
        str("GPT2_N_KV_HEAD = ", n,
            " with ENABLE_RA_MLA = y: latent attention makes keys and values of every head from one "
            "latent; set GPT2_N_KV_HEAD to 0 or ENABLE_RA_MLA to n"));
  if (c.gpt.num_heads % n != 0)
    throw UserError(str("GPT2_N_KV_HEAD = ", n, " does not divide GPT2_N_HEAD = ", c.gpt.num_heads,
                        ": as many heads of queries read each head of keys; choose a divisor, or 0 for one "
                        "each"));
}

// The rotary part of latent attention stands beside its latents.
void check_rotary_part(const Config& c) {
  const auto R = c.attention.rope_dim;
  if (rotary(c) && R == 0)
    throw UserError(
        "POSITIONS = rotary with ENABLE_RA_MLA = y and RA_MLA_ROPE_DIM = 0: latents are not rotated, "
        "channels beside them are; set RA_MLA_ROPE_DIM to an even number, or POSITIONS to learned or none");
  if (!rotary(c) && R > 0)
    throw UserError(
        str("RA_MLA_ROPE_DIM = ", R,
            " needs POSITIONS = rotary: these channels carry positions; set POSITIONS to rotary or "
            "RA_MLA_ROPE_DIM to 0"));
  if (R % 2 != 0)
    throw UserError(str("RA_MLA_ROPE_DIM = ", R, ": pairs of channels are rotated; choose an even number"));
}

void check_latent_form(const Config& c) {
  const auto& mla = c.attention;
  if (mla.q_latent_dim > 0)
    throw UserError(str("RA_MLA_Q_LATENT_DIM = ", mla.q_latent_dim,
                        " with RA_MLA_FORM = latent: its queries come from the input; set it to 0 or "
                        "RA_MLA_FORM to deepseek"));
  if (mla.rope_dim > 0 && mla.reciprocal_alpha > 0)
    throw UserError(str("RA_MLA_RA_ALPHA = ", shortest(mla.reciprocal_alpha), " with RA_MLA_ROPE_DIM = ",
                        mla.rope_dim, ": reciprocal attention has no rotary part; set one of them to 0"));
}

void check_deepseek_form(const Config& c) {
  const auto& mla = c.attention;
  const auto refuse = [](const std::string& setting, const char* why, const char* off) {
    throw UserError(str(setting, " with RA_MLA_FORM = deepseek: ", why, "; set it to ", off,
                        " or RA_MLA_FORM to latent"));
  };
  if (mla.reciprocal_alpha > 0)
    refuse(str("RA_MLA_RA_ALPHA = ", shortest(mla.reciprocal_alpha)),
           "reciprocal attention is one of the latent form", "0");
  if (mla.shared_kv) refuse("RA_MLA_SHARED_KV = y", "it has one latent for keys and values in any case", "n");
  if (mla.latent_norm) refuse("RA_MLA_LATENT_NORM = y", "its latents have norms of their own", "n");
}

}  // namespace

void check_attention(const Config& c) {
  check_positions(c);
  check_key_heads(c);
  if (!c.gpt.attention || !c.attention.latent) return;
  check_rotary_part(c);
  c.deepseek() ? check_deepseek_form(c) : check_latent_form(c);
  const auto& latents = c.attention.latent_dim;
  check_list(c, "RA_MLA_LATENT_DIM", latents);
  const auto widest = *std::max_element(latents.values.begin(), latents.values.end());
  if (c.attention.latent_source == LatentSource::kSlice && widest > c.gpt.width)
    throw UserError(str("RA_MLA_LATENT_DIM = ", widest,
                        " with RA_MLA_LATENT_SOURCE = slice: the latent is cut from the input, which has "
                        "GPT2_N_EMBD = ",
                        c.gpt.width, " channels; choose a width of at most that, or another source"));
}

std::string why_no_heads(const Config& c) {
  if (c.bidirectional())
    return str(c.objective.masked() ? "OBJECTIVE = masked_token with " : "",
               "ATTENTION_DIRECTION = bidirectional: a model that sees what follows needs to find it "
               "nowhere; allowed: models with ATTENTION_DIRECTION = causal");
  if (c.gpt.autoencoder)
    return "AUTOENCODER = y: what its heads attend to is compressed, and no token is said from what stood "
           "before; allowed: models with AUTOENCODER = n";
  if (!c.gpt.attention)
    return "GPT2_ATTENTION = n: this model has no heads to look at; name one with attention";
  return "";
}

void check_heads_measured(const Config& c) {
  if (!c.run.measure_heads) return;
  constexpr std::int64_t kLeast = 4;  // two copies of two ids
  auto why = why_no_heads(c);
  if (why.empty() && c.gpt.context < kLeast)
    why = str("GPT2_BLOCK_SIZE = ", c.gpt.context,
              ": heads are looked at on two copies of some ids; allowed: at least ", kLeast);
  if (!why.empty()) throw UserError(str("MEASURE_HEADS = y with ", why, ". Or set MEASURE_HEADS to n"));
}

std::vector<std::string> unused_attention_symbols(const Config& c) {
  std::vector<std::string> names;
  const auto add_when = [&names](bool condition, std::initializer_list<const char*> more) {
    if (condition) names.insert(names.end(), more.begin(), more.end());
  };
  const bool latent = c.gpt.attention && c.attention.latent, deepseek = latent && c.deepseek();
  // The first pair of channels turns by one radian a token, whatever the base.
  const auto rotated = latent ? c.attention.rope_dim : c.head_dim();
  add_when(!rotary(c) || !c.gpt.attention || rotated == 2, {"ROPE_BASE"});
  add_when(!c.gpt.attention, {"GPT2_N_KV_HEAD", "ENABLE_RA_MLA"});
  add_when(!c.gpt.attention && !c.mlp.per_head, {"GPT2_N_HEAD"});
  add_when(!latent, {"RA_MLA_FORM", "RA_MLA_LATENT_DIM", "RA_MLA_LATENT_SOURCE", "RA_MLA_LATENT_NORM",
                     "RA_MLA_LATENT_SCALE", "RA_MLA_Q_LATENT_DIM", "RA_MLA_ROPE_DIM", "RA_MLA_SHARED_KV"});
  add_when(!latent || deepseek, {"RA_MLA_PER_HEAD_Q_LATENT", "RA_MLA_PER_HEAD_V_UP"});
  // As wide as the input, latents keep their scale.
  const auto& latents = c.attention.latent_dim;
  const bool as_wide = !latents.varies() && latents.at(0) == c.gpt.width &&
                       (c.attention.q_latent_dim == 0 || c.attention.q_latent_dim == c.gpt.width);
  add_when(latent && as_wide, {"RA_MLA_LATENT_SCALE"});
  return names;
}

}  // namespace kablate
