// Counts, decode state and work against formulas of the tests' own, for every defconfig and for cases done by
// hand.
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "shape/model_shape.h"
#include "shape/part_shape.h"
#include "shape/policy.h"
#include "support/configure.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

const Deltas kPublishedCoupler = {{"RA_MLA_MLP_TYING_MODE", "untied"}, {"RA_MLA_MLP_LATENT_DIM", "128"}};

// Spec, section 7.
TEST(ParameterCount, IsThatOfTheLadder) {
  EXPECT_EQ(parameter_count(configure(mechanisms(false, false, false))), 115'001'856);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, false, false))), 117'172'992);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, true, false))), 230'419'200);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, true, true))), 235'137'792);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, true, true) + kPublishedCoupler)), 239'643'392);
}

// The published numbers have the maps that the last block's context would need, which nothing reads.
TEST(ParameterCount, IsThePublishedOneLessTheLastBlocksUnreadMaps) {
  const std::int64_t F = 3072, H = 12, G = 64, L = 128, m = 128;
  const std::int64_t gate = G * F + H * G, context = F * m + m * L;
  EXPECT_EQ(parameter_count(configure(mechanisms(true, false, false))), 117'370'368 - gate);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, true, false))), 230'616'576 - gate);
  EXPECT_EQ(parameter_count(configure(mechanisms(true, true, true) + kPublishedCoupler)),
            240'250'368 - gate - context);
}

std::int64_t count_attention(const Config& c) {
  const std::int64_t E = c.gpt.width, H = c.gpt.num_heads, D = E / H, L = c.attention.latent_dim.at(0);
  const std::int64_t n = c.attention.key_heads > 0 ? c.attention.key_heads : H;
  if (!c.attention.latent) return (2 * E + 2 * D * n) * E + (c.gpt.bias ? 2 * E + 2 * D * n : 0);
  const std::int64_t downs = c.attention.shared_kv ? 1 : 2;
  const std::int64_t query_maps = c.attention.per_head_q_latent ? H : 1,
                     value_maps = c.attention.per_head_v_up ? H : 1;
  const std::int64_t rotary = c.gpt.positions == Positions::kRotary ? c.attention.rope_dim : 0;
  const std::int64_t norms = c.attention.latent_norm ? downs * L : 0;
  return 2 * E * E + downs * E * L + norms + (query_maps + value_maps) * D * L + (H + 1) * rotary * E;
}

// F of a layer.
std::int64_t width(const Config& c, std::int64_t layer) {
  const auto& values = c.mlp.expansion.values;
  const double f = values.size() == 1 ? values[0] : values[static_cast<std::size_t>(layer)];
  return std::llround(f * static_cast<double>(c.gpt.width));
}

std::int64_t count_mechanisms(const Config& c, std::int64_t F, bool last) {
  const std::int64_t H = c.gpt.num_heads, L = c.attention.latent_dim.at(0), G = c.gate.dim, r = c.cross.rank,
                     m = c.coupler.bottleneck;
  std::int64_t total = 0;
  if (F == 0) return 0;
  if (c.gate.enabled && !last) total += G * F + H * G;
  if (c.cross.enabled) total += r > 0 ? 2 * F * r : F * F;
  if (!c.coupler.enabled) return total;
  switch (c.coupler.tying) {
    case Tying::kTiedTranspose:
      return total + F * L;
    case Tying::kPerHeadScalar:
      return total + (last ? H : 2 * H);
    case Tying::kUntied:
      break;
  }
  return total + F * L + (last ? 0 : m > 0 ? F * m + m * L : F * L);
}

// An MLP of one layer, were it not shared with others; of heads, as many MLPs as are different; of experts
// so many.
std::int64_t count_mlp(const Config& c, std::int64_t F, std::int64_t experts) {
  if (F == 0) return 0;
  const std::int64_t up = c.mlp.activation == Activation::kSwiglu ? 2 : 1;
  const std::int64_t parts = c.mlp.per_head ? c.gpt.num_heads : 1, different = parts / c.mlp.share_heads;
  const std::int64_t in = c.gpt.width / parts, hidden = F / parts;
  const std::int64_t one = (up + 1) * in * hidden + (c.gpt.bias ? up * hidden + in : 0);
  if (c.mlp.experts > 0) return experts * one + c.mlp.experts * in;  // and the router
  return c.mlp.per_head ? different * one : one;
}

std::int64_t count_by_formula(const Config& c, bool active = false) {
  const std::int64_t E = c.gpt.width, V = c.gpt.vocabulary, layers = c.gpt.num_layers;
  const std::int64_t norm = !c.gpt.norm.affine                                      ? 0
                            : c.gpt.bias && c.gpt.norm.kind == NormKind::kLayerNorm ? 2 * E
                                                                                    : E;
  std::int64_t total = V * E * (c.gpt.tie_embeddings ? 1 : 2) + norm, mlps = 0;
  if (c.gpt.positions == Positions::kLearned) total += c.gpt.context * E;
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::int64_t F = width(c, i);
    const std::int64_t norms = (F > 0 ? 2 : 1) * (c.gpt.norm_placement == NormPlacement::kHybrid ? 2 : 1);
    total += norms * norm + count_attention(c) + count_mechanisms(c, F, i + 1 == layers);
    mlps += count_mlp(c, F, active ? c.mlp.experts_top : c.mlp.experts);
    if (c.mlp.learned_width) total += F;  // each layer's own
  }
  return total + mlps / c.mlp.share_layers;
}

std::vector<fs::path> defconfigs() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(KABLATE_SOURCE_DIR) / "defconfigs"))
    if (entry.is_regular_file()) files.push_back(entry.path());
  return files;
}

// Spec, sections 3 and 7, for one configuration.
void expect_formulas(const Config& c) {
  EXPECT_EQ(parameter_count(c), count_by_formula(c));
  EXPECT_EQ(active_parameter_count(c), count_by_formula(c, true));

  const std::int64_t L = c.attention.latent_dim.at(0), E = c.gpt.width, H = c.gpt.num_heads, r = c.cross.rank;
  std::int64_t token = 0, fixed = 0;
  for (std::int64_t i = 0; i < c.gpt.num_layers; ++i) {
    const std::int64_t F = width(c, i), below = i > 0 ? width(c, i - 1) : 0;
    if (!c.attention.latent)
      token += 2 * (E / H) * (c.attention.key_heads > 0 ? c.attention.key_heads : H);
    else
      token += (c.attention.shared_kv && !(c.coupler.enabled && below > 0) ? L : 2 * L) +
               (c.gpt.positions == Positions::kRotary ? c.attention.rope_dim : 0);
    if (c.cross.enabled && F > 0) token += r == 0 ? F : c.cross.head_average ? r : std::min(F, H * r);
    if (c.attention.latent && c.attention.reciprocal_alpha > 0) fixed += c.attention.reciprocal_window * E;
    if (c.gate.enabled && c.gate.pool == GatePool::kCausalMean && i + 1 < c.gpt.num_layers && F > 0)
      fixed += c.gate.dim;
  }
  const std::int64_t bytes = c.run.dtype == DType::kBFloat16 ? 2 : 4;
  const bool decodes = c.attention.direction == Direction::kCausal;
  EXPECT_EQ(decode_cache_bytes_per_token(c), decodes ? token * bytes : 0);
  EXPECT_EQ(decode_cache_bytes_fixed(c), decodes ? fixed * bytes : 0);

  std::int64_t sum = 0;
  for (const auto& [part, count] : parameters_by_part(c)) sum += count;
  EXPECT_EQ(sum, parameter_count(c));
  const std::int64_t places = c.gpt.positions == Positions::kLearned ? c.gpt.context * E : 0;
  const double N = static_cast<double>(count_by_formula(c, true) - places);
  const double pairs = 12.0 * static_cast<double>(c.gpt.num_layers * E * c.gpt.context);
  EXPECT_DOUBLE_EQ(flops_per_iteration_nanogpt(c),
                   (6 * N + pairs) * static_cast<double>(c.tokens_per_iteration()));
}

// One delta of each switch that changes a count, on top of each defconfig with each of the eight sets of
// mechanisms.
TEST(ModelShape, FollowsTheFormulasInEveryDefconfig) {
  const std::vector<Deltas> variations = {
      {},
      {{"ENABLE_RA_MLA", "n"}},
      {{"ENABLE_RA_MLA", "n"}, {"GPT2_N_KV_HEAD", "2"}, {"POSITIONS", "rotary"}, {"QK_NORM", "y"}},
      {{"ENABLE_RA_MLA", "n"}, {"GPT2_N_KV_HEAD", "1"}, {"GPT2_BIAS", "y"}, {"NORM_KIND", "rmsnorm"}},
      {{"POSITIONS", "none"}, {"NORM_AFFINE", "n"}, {"NORM_PLACEMENT", "hybrid"}},
      {{"RA_MLA_SHARED_KV", "y"}, {"RA_MLA_PER_HEAD_Q_LATENT", "n"}},
      {{"RA_MLA_PER_HEAD_V_UP", "n"}, {"RA_MLA_RA_ALPHA", "0.5"}},
      {{"RA_MLA_MLP_TYING_MODE", "untied"}, {"GPT2_BIAS", "y"}},
      kPublishedCoupler + Deltas{{"NORM_PLACEMENT", "hybrid"}},
      {{"RA_MLA_MLP_TYING_MODE", "per_head_scalar"}, {"GPT2_BIAS", "n"}},
      {{"RA_MLA_MLP_CROSS_RANK", "24"}, {"GPT2_WEIGHT_TYING", "n"}},
      {{"RA_MLA_MLP_CROSS_RANK", "24"}, {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"}},
      {{"RA_MLA_MLP_CROSS_RANK", "9999"}, {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"}},
      {{"RA_MLA_MLP_GATE_POOL", "token"}, {"MLP_EXPANSION", "3.7"}},
      {{"MLP_EXPANSION", "0"}, {"DTYPE", "bfloat16"}},
      {{"GPT2_ACTIVATION", "swiglu"}, {"MLP_EXPANSION", "2.6667"}},
      {{"GPT2_N_LAYER", "4"}, {"MLP_EXPANSION", "4,0,3,2"}, {"RA_MLA_SHARED_KV", "y"}},
      {{"GPT2_N_LAYER", "4"},
       {"MLP_EXPANSION", "0,3,0,3"},
       {"MLP_SHARE_LAYERS", "2"},
       {"MLP_SHARE_PATTERN", "cyclic"}},
      {{"MLP_PER_HEAD", "y"}, {"GPT2_ACTIVATION", "swiglu"}, {"GPT2_BIAS", "y"}, {"MLP_LEARNED_WIDTH", "y"}},
      {{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_HEADS", "2"}, {"GPT2_N_LAYER", "6"}, {"MLP_SHARE_LAYERS", "3"}},
      {{"MLP_EXPERTS", "4"}, {"GPT2_BIAS", "y"}, {"GPT2_ACTIVATION", "swiglu"}},
      {{"MLP_EXPERTS", "8"}, {"MLP_EXPERTS_TOP", "2"}, {"GPT2_N_LAYER", "6"}, {"MLP_SHARE_LAYERS", "3"}},
      {{"GPT2_N_LAYER", "1"}}};
  const auto files = defconfigs();
  EXPECT_GE(files.size(), 8u);
  int checked = 0;
  for (const auto& file : files)
    for (const auto& variation : variations)
      for (int set = 0; set < 8; ++set) {
        const Deltas deltas = mechanisms(set & 1, set & 2, set & 4) + variation;
        SCOPED_TRACE(
            str(file.filename().string(), " set ", set, variation.empty() ? "" : variation[0].first));
        try {
          expect_formulas(bound(changed(Settings::from_file(file), deltas)));
          ++checked;
        } catch (const UserError&) {  // a combination that makes no model
        }
      }
  EXPECT_GE(checked, 400);
}

// As written, with no change: what `plan` reads.
TEST(ModelShape, FollowsTheFormulasInEveryDefconfigAsWritten) {
  for (const auto& file : defconfigs()) {
    SCOPED_TRACE(file.filename().string());
    expect_formulas(bound(Settings::from_file(file)));
  }
}

const Deltas kLadderByHand = {{"GPT2_N_LAYER", "2"},
                              {"GPT2_N_HEAD", "2"},
                              {"GPT2_N_EMBD", "8"},
                              {"GPT2_BLOCK_SIZE", "4"},
                              {"GPT2_VOCAB_SIZE", "10"},
                              {"RA_MLA_LATENT_DIM", "3"},
                              {"RA_MLA_MLP_GATE_DIM", "5"},
                              {"RA_MLA_MLP_SPARSE_K", "2"},
                              {"GPT2_BATCH_SIZE", "3"},
                              {"GPT2_GRADIENT_ACCUMULATION", "2"},
                              {"GPT2_BIAS", "n"}};

const Deltas kCompressing = {
    {"DATASET", "compression"}, {"AUTOENCODER", "y"}, {"SYNTHETIC_VOCAB_SIZE", "10"}};

// Forward operations of one token; an iteration has 3·2·4 of them, forward and twice that backward.
double flops_per_token(const Deltas& deltas) {
  return flops_per_iteration(configure(kLadderByHand + deltas)) / (3 * 2 * 4) / 3;
}

TEST(Flops, EqualTheSumDoneByHand) {
  const Deltas off = mechanisms(false, false, false), mha{{"ENABLE_RA_MLA", "n"}};
  // Two layers of c_attn 2·8·24, c_proj 2·8·8, scores and values 2·2·8·4/2 (causal), c_fc and c_proj
  // 2·2·8·32; the head 2·8·10.
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha), 2 * (384 + 128 + 64 + 1024) + 160);
  // One label in four positions, which alone the head is asked for.
  EXPECT_DOUBLE_EQ(
      flops_per_token(off + mha +
                      Deltas{{"DATASET", "mqar"}, {"MQAR_PAIRS", "1"}, {"SYNTHETIC_VOCAB_SIZE", "10"}}),
      2 * (384 + 128 + 64 + 1024) + 160 / 4);
  // All four positions have a label, and each goes through the decoder's two maps.
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha + kCompressing), 2 * (384 + 128 + 64 + 1024) + 160 + 2 * 128);
  // One head of keys of 4 channels: c_attn 2·8·16; the pairs stay as many. Norms and rotation are none.
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha + Deltas{{"GPT2_N_KV_HEAD", "1"}}),
                   2 * (256 + 128 + 64 + 1024) + 160);
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha + Deltas{{"POSITIONS", "rotary"}, {"QK_NORM", "y"}}),
                   flops_per_token(off + mha));
  // q_proj and out_proj 2·2·64, two down maps 2·2·24, keys and values of all heads 2·2·2·4·3.
  const double mla = 2 * (256 + 96 + 96 + 64 + 1024) + 160;
  EXPECT_DOUBLE_EQ(flops_per_token(off), mla);
  EXPECT_DOUBLE_EQ(flops_per_token(off + Deltas{{"RA_MLA_SHARED_KV", "y"}}), mla - 2 * 48);
  EXPECT_DOUBLE_EQ(flops_per_token(off + Deltas{{"RA_MLA_PER_HEAD_Q_LATENT", "n"}}), mla - 2 * 24);
  // Of all pairs, and the head at three tenths of the tokens; a critic reads another pass of the blocks.
  const Deltas masked{
      {"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}, {"MASK_RATE", "0.3"}};
  const double blocks = 2 * (384 + 128 + 128 + 1024);
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha + masked), blocks + 160 * 0.3);
  EXPECT_DOUBLE_EQ(flops_per_token(off + mha + masked + Deltas{{"CRITIC", "y"}}),
                   2 * blocks + 160 * 0.3 * (1 + 1.0 / 3) + 2 * 8);
  // A rate from 1/4 to 1, on average 5/8; every row keeps its two columns, of which each of 32 channels is
  // routed.
  EXPECT_DOUBLE_EQ(
      flops_per_token(mechanisms(false, true, false) + mha + masked + Deltas{{"MASK_SCHEDULE", "uniform"}}),
      blocks + 160 * 5.0 / 8 + 2 * (2048 + 64 * 2));
  // All kept: 1, 2, 3, 4.
  EXPECT_DOUBLE_EQ(
      flops_per_token(mechanisms(false, true, false) + Deltas{{"RA_MLA_MLP_SPARSE_MODE", "none"}}),
      mla + 2 * (2048 + 64 * 10.0 / 4));
  // Untied through a width of 5: 2·32·3 up, 2·(32·5 + 5·3) down.
  const Deltas untied{{"RA_MLA_MLP_TYING_MODE", "untied"}, {"RA_MLA_MLP_LATENT_DIM", "5"}};
  EXPECT_DOUBLE_EQ(flops_per_token(mechanisms(false, false, true) + untied), mla + 2 * 192 + 350);
}

// What a mechanism adds to this model, alone and with its other symbols' defaults, a token: operations of the
// forward pass, and bytes that autograd keeps of it, in float32 with the CPU's kernels.
struct Added {
  double flops, kept_bytes;
};
const std::map<std::string, Added> kAddedByHand = {
    // Below 2·5·32 and 2·2·5, kept the 5 pooled values and 2 gates; above 2 gates and their factors.
    {"gate", {320 + 20, 4 * (5 + 2) + 4 * (2 + 2)}},
    // In both layers cross_proj 2·32·32; rows keep 1, 2, 2, 2 of 4, each 2·32: 2 entries and their columns.
    {"cross", {2 * (2048 + 64 * 7.0 / 4), 2 * 4 * (2 + 2)}},
    // W [32, 3] both ways below, one way on top. What it makes is computed twice, not kept.
    {"recip", {3 * 192, 0}},
    // In both layers scores above the diagonal, 2·4·8. The backward pass makes them again.
    {"ra", {2 * 64, 0}},
};

double kept_bytes_per_token(const Config& config) {
  double bytes = 0;
  for (const auto& layer : ModelSpec(config).layers)
    for (const auto& part : layer_parts(layer))
      bytes += part.activations.attention_kept + part.activations.mlp_kept;
  return bytes;
}

// Of heads of keys [B, T, n·D] are kept, twice; QK_NORM keeps what c_attn made.
TEST(KeptBytes, OfGroupedHeadsAndOfTheirNormEqualTheSumDoneByHand) {
  const auto kept = [](const Deltas& deltas) {
    return kept_bytes_per_token(configure(kLadderByHand + mechanisms(false, false, false) +
                                          Deltas{{"ENABLE_RA_MLA", "n"}, {"GPT2_DROPOUT", "0.0"}} + deltas));
  };
  EXPECT_DOUBLE_EQ(kept({{"GPT2_N_KV_HEAD", "1"}}), kept({}) - 2 * 4 * 2 * 4);
  EXPECT_DOUBLE_EQ(kept({{"QK_NORM", "y"}}), kept({}) + 2 * 4 * 24);
  EXPECT_DOUBLE_EQ(kept({{"POSITIONS", "rotary"}}), kept({}));
  const Deltas portable{{"KERNELS", "portable"}};  // a copy of them for every head of queries
  EXPECT_DOUBLE_EQ(kept(portable + Deltas{{"GPT2_N_KV_HEAD", "1"}}), kept(portable) + 2 * 4 * 2 * 4);
}

TEST(EveryMechanism, AddsTheWorkAndTheMemoryDoneByHand) {
  const Deltas off = kLadderByHand + mechanisms(false, false, false);
  for (const auto& mechanism : mechanisms()) {
    const auto found = kAddedByHand.find(mechanism.name);
    ASSERT_NE(found, kAddedByHand.end())
        << mechanism.title << " (" << mechanism.name
        << ") is in the table of mechanisms: write down in kAddedByHand"
        << " here what it adds to the model, worked out by hand from its definition and not from src/shape";
    const Deltas on = off + switched(mechanism, true);
    const Config with = configure(on), without = configure(off);
    EXPECT_DOUBLE_EQ(flops_per_token(on) - flops_per_token(off), found->second.flops) << mechanism.name;
    EXPECT_DOUBLE_EQ(kept_bytes_per_token(with) - kept_bytes_per_token(without), found->second.kept_bytes)
        << mechanism.name;
    const auto count = parameter_count(with) - parameter_count(without);
    EXPECT_EQ(*mechanism.part == '\0' ? 0 : parameters_by_part(with).at(mechanism.part), count)
        << mechanism.name << " has parameters that are not under its part's name";
  }
}

TEST(ParametersByPart, PutEachNameWhereItBelongs) {
  auto parts = parameters_by_part(configure(kLadderByHand + mechanisms(true, true, true)));
  std::erase_if(parts, [](const auto& part) { return part.second == 0; });
  const std::map<std::string, std::int64_t> expected = {
      {"embedding", 10 * 8 + 4 * 8}, {"attention", 2 * (2 * 64 + 2 * 24 + 2 * 24)},
      {"mlp", 2 * 2 * 8 * 32},       {"norm", 5 * 8},
      {"gate", 5 * 32 + 2 * 5},      {"cross_token", 2 * 32 * 32},
      {"coupler", 2 * 32 * 3}};
  EXPECT_EQ(parts, expected);
}

// Two maps, two norms and, where the model has biases, those of both; nothing is decoded token by token.
TEST(Autoencoder, HasADecoderBesideThePlainModel) {
  const Deltas off = kLadderByHand + mechanisms(false, false, false);
  for (const auto& [bias, more] : {std::pair{"n", 2 * (64 + 8)}, {"y", 2 * (64 + 8 + 2 * 8)}}) {
    const Deltas biased = off + Deltas{{"GPT2_BIAS", bias}};
    const Config plain = configure(biased), compressing = configure(biased + kCompressing);
    EXPECT_EQ(parameter_count(compressing) - parameter_count(plain), more);
    EXPECT_EQ(parameters_by_part(compressing).at("head"), 2 * 64 + (*bias == 'y' ? 2 * 8 : 0));
    EXPECT_GT(decode_cache_bytes_per_token(plain), 0);
    EXPECT_EQ(decode_cache_bytes_per_token(compressing), 0);
  }
}

// Few entries a row, the same for all heads: else the dense rows are kept, of which the memory formula knows.
TEST(RoutesByEntries, WhereFewAreSelectedForAllHeads) {
  const auto config = [](const Deltas& deltas) { return configure(mechanisms(false, true, false) + deltas); };
  const auto entries = [&](const Deltas& deltas) { return routes_by_entries(config(deltas).cross); };
  EXPECT_TRUE(entries({{"RA_MLA_MLP_SPARSE_K", "64"}}));
  EXPECT_FALSE(entries({{"RA_MLA_MLP_SPARSE_K", "65"}}));
  EXPECT_FALSE(entries({{"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"}}));
  EXPECT_FALSE(entries({{"RA_MLA_MLP_SPARSE_MODE", "rms"}}));
  const Deltas plain = {{"GPT2_DROPOUT", "0.0"}};
  EXPECT_LT(peak_tensor_bytes(config(plain + Deltas{{"RA_MLA_MLP_SPARSE_K", "64"}})) * 101 / 100,
            peak_tensor_bytes(config(plain + Deltas{{"RA_MLA_MLP_SPARSE_K", "65"}})));
}

// What layers share is owned by the lowest of them and used by the others: counted once, the work is the
// same.
TEST(Owners, OfASharedMlpAreCountedOnce) {
  const Config config = configure(mechanisms(true, true, true) + Deltas{{"GPT2_N_LAYER", "3"}});
  const ModelSpec apart(config);
  ModelSpec shared = apart;
  shared.layers[1].mlp_owner = shared.layers[2].mlp_owner = 0;
  const auto mlp = parameters_by_part(apart).at("mlp");
  EXPECT_EQ(parameters_by_part(shared).at("mlp"), mlp / 3);
  EXPECT_EQ(parameter_count(shared), parameter_count(apart) - mlp / 3 * 2);
  const auto table = model_parameters(shared);
  EXPECT_EQ(table.uses.at("transformer.h.2.mlp.c_fc.weight"), "transformer.h.0.mlp.c_fc.weight");
  for (const auto& [use, owner] : table.uses)
    EXPECT_EQ(std::count_if(table.begin(), table.end(), [&](const Parameter& p) { return p.name == owner; }),
              1)
        << use;
  EXPECT_FALSE(table.uses.contains("transformer.h.1.mlp.cross_proj.weight"))
      << "a mechanism's map is the layer's own";
}

TEST(Owners, OfATiedHeadIsTheEmbedding) {
  const auto table = [](const char* tied) {
    return model_parameters(configure({{"GPT2_WEIGHT_TYING", tied}}));
  };
  EXPECT_EQ(table("y").uses.at("lm_head.weight"), "transformer.wte.weight");
  EXPECT_TRUE(table("n").uses.empty());
}

}  // namespace
}  // namespace kablate
