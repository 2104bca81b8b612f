// Decoding token by token gives the logits of the full pass, for every arm, and keeps what shape/ says.
#include <algorithm>
#include <random>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "generate/decode.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/mechanism_draws.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

constexpr double kDoubleGap = 1e-12, kFloatGap = 1e-5;
constexpr double kDoubleToFloat = 0x1p-52 / 0x1p-23;  // of the roundings

// The largest difference between decoding tokens [B, T] and the full pass over them: over positions, of
// ‖step − full‖ / ‖full‖ of the logits of a position, the rows of all sequences together. The first `filled`
// tokens, if any, go into the cache in one pass.
double decode_gap(const Gpt& model, const Tensor& tokens_BT, std::int64_t filled = 0) {
  const at::NoGradGuard no_grad;
  const Tensor full_BTV = model.logits(tokens_BT).to(at::kDouble);
  Decoder decoder(model);
  double largest = 0;
  for (std::int64_t t = std::max<std::int64_t>(filled - 1, 0); t < tokens_BT.size(1); ++t) {
    const Tensor full_BV = full_BTV.select(1, t);
    const Tensor step_BV = (t + 1 == filled ? decoder.fill(tokens_BT.narrow(1, 0, filled))
                                            : decoder.step(tokens_BT.select(1, t)))
                               .to(at::kDouble);
    largest = std::max(largest, ((step_BV - full_BV).norm() / full_BV.norm()).item<double>());
  }
  return largest;
}

Config in_bfloat16(Config config) {
  config.run.dtype = DType::kBFloat16;
  return config;
}

Tensor some_tokens(const Config& config, std::int64_t B, std::uint64_t seed) {
  return as_tensor(random_sequences(config, B, config.gpt.context, seed).inputs);
}

std::vector<Arm> decodable_arms(bool with_selection) {
  std::vector<Arm> found;
  for (const auto& arm : arms()) {
    const Config config = small_config(arm.deltas);
    if (undecodable_reason(config).empty() && (with_selection || !selects(config))) found.push_back(arm);
  }
  return found;
}

class DecodedArm : public testing::TestWithParam<Arm> {
 protected:
  Config config_ = small_config(GetParam().deltas);
  ParameterSet parameters_ = random_parameters(config_, 7);
  Tensor tokens_BT_ = some_tokens(config_, 3, 7);
};

// The same bits, without casting every map again for every token.
TEST_P(DecodedArm, DecodesInBfloat16FromMapsCastOnce) {
  const Config config = in_bfloat16(config_);
  const Gpt model(config, parameters_), cast(config, parameters_.with_maps_in(at::kBFloat16));
  Decoder expected(model), found(cast);
  for (std::int64_t t = 0; t < tokens_BT_.size(1); ++t)
    EXPECT_TRUE(at::equal(found.step(tokens_BT_.select(1, t)), expected.step(tokens_BT_.select(1, t)))) << t;
  int casts = 0;
  for (const auto& [name, tensor] : parameters_.with_maps_in(at::kBFloat16).by_name()) {
    const bool map = tensor.dim() > 1 && name != "transformer.wte.weight" &&
                     name != "transformer.wpe.weight" && !is_router(name);
    EXPECT_EQ(tensor.scalar_type(), map ? at::kBFloat16 : at::kFloat) << name;
    casts += map;
  }
  EXPECT_GT(casts, 1);
}

TEST_P(DecodedArm, DecodesToTheLogitsOfTheFullPassInFloat64) {
  EXPECT_LT(decode_gap(Gpt(config_, in_double(parameters_)), tokens_BT_), kDoubleGap);
}

TEST_P(DecodedArm, GoesOnFromACacheThatOnePassFilledInFloat64) {
  const Gpt model(config_, in_double(parameters_));
  for (const std::int64_t filled :
       {std::int64_t{1}, std::int64_t{2}, config_.gpt.context / 2, config_.gpt.context})
    EXPECT_LT(decode_gap(model, tokens_BT_, filled), kDoubleGap) << filled;
}

// No row of these has weights at the edge of its selection that rounding could swap.
TEST_P(DecodedArm, DecodesToTheLogitsOfTheFullPassInFloat32) {
  EXPECT_LT(decode_gap(Gpt(config_, parameters_), tokens_BT_), kFloatGap);
}

// Both round to 8 bits, at other places; a selection could come out otherwise. The full pass keeps scores in
// float32, so the step's rounded ones part from it most where each stands twice: 0.06 with a window past T.
class DecodedArmInBFloat16 : public DecodedArm {};
TEST_P(DecodedArmInBFloat16, DecodesNearTheLogitsOfTheFullPass) {
  const Gpt model(in_bfloat16(config_), parameters_);
  EXPECT_LT(decode_gap(model, tokens_BT_), 0.1);
  EXPECT_LT(decode_gap(model, tokens_BT_, config_.gpt.context / 2), 0.1);
}

TEST_P(DecodedArm, KeepsWhatTheShapeSays) {
  // No more queries are ever needed than there are tokens.
  auto& window = config_.attention.reciprocal_window;
  window = std::min(window, config_.gpt.context);
  for (const Config& config : {config_, in_bfloat16(config_)}) {
    const Gpt model(config, parameters_);
    Decoder decoder(model);
    for (std::int64_t t = 0; t < config.gpt.context; ++t) decoder.step(tokens_BT_.select(1, t));
    Decoder filled(model);
    filled.fill(tokens_BT_);
    EXPECT_EQ(filled.cache().bytes_per_token(), decoder.cache().bytes_per_token());
    EXPECT_EQ(filled.cache().bytes_fixed(), decoder.cache().bytes_fixed());
    EXPECT_EQ(decoder.cache().bytes_per_token(), static_cast<double>(decode_cache_bytes_per_token(config)));
    const bool sum = config.gate.enabled && config.gate.pool == GatePool::kCausalMean;
    const bool narrow = config.run.dtype == DType::kBFloat16;
    std::int64_t below = 0;  // MLPs that gate a block above
    for (std::int64_t layer = 0; layer + 1 < config.gpt.num_layers; ++layer)
      below += config.mlp_width(layer) > 0;
    const std::int64_t wider = sum && narrow ? below * config.gate.dim * 2 : 0;
    EXPECT_EQ(decoder.cache().bytes_fixed(), static_cast<double>(decode_cache_bytes_fixed(config) + wider));
  }
}

INSTANTIATE_TEST_SUITE_P(Arms, DecodedArm, testing::ValuesIn(decodable_arms(true)), arm_test_name);
INSTANTIATE_TEST_SUITE_P(Arms, DecodedArmInBFloat16, testing::ValuesIn(decodable_arms(false)), arm_test_name);

// A configuration of any combination that validate() lets pass and that can be decoded.
class RandomConfig {
 public:
  explicit RandomConfig(std::uint64_t seed) : random_(seed) {}

  Deltas draw() {
    while (true) {
      Deltas deltas = draw_any();
      deltas = deltas + draw_mechanisms(random_);
      try {
        const Config config = small_config(deltas);
        // Without positions equal tokens have equal weights, at every boundary of a selection.
        const bool ties = config.gpt.positions == Positions::kNone && selects(config);
        if (why_future_is_seen(config).empty() && !ties) return deltas;
      } catch (const UserError&) {
      }
    }
  }

 private:
  std::int64_t number(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution(least, most)(random_);
  }
  std::string text(std::int64_t least, std::int64_t most) { return std::to_string(number(least, most)); }
  std::string any(std::vector<std::string> values) {
    return values[static_cast<std::size_t>(number(0, static_cast<std::int64_t>(values.size()) - 1))];
  }
  std::string flag() { return any({"y", "n"}); }

  Deltas draw_any() {
    const std::int64_t heads = number(1, 4);
    return {{"GPT2_N_LAYER", text(1, 4)},
            {"GPT2_N_HEAD", std::to_string(heads)},
            {"GPT2_N_EMBD", std::to_string(heads * number(heads == 1 ? 8 : 4, 9))},
            {"GPT2_BLOCK_SIZE", text(1, 40)},
            {"GPT2_BIAS", flag()},
            {"GPT2_WEIGHT_TYING", flag()},
            {"GPT2_ACTIVATION", any({"gelu", "gelu_tanh", "relu2", "swiglu"})},
            {"NORM_PLACEMENT", any({"pre", "post", "hybrid"})},
            {"NORM_KIND", any({"layernorm", "rmsnorm"})},
            {"NORM_AFFINE", flag()},
            {"POSITIONS", any({"learned", "learned", "rotary", "none"})},
            {"QK_NORM", any({"y", "n", "n"})},
            {"GPT2_N_KV_HEAD", any({"0", "0", "1", "2"})},
            {"MLP_EXPANSION", any({"0", "1.37", "2", "3", "1,0,2", "2,0"})},
            {"MLP_SHARE_LAYERS", any({"1", "1", "2"})},
            {"MLP_SHARE_PATTERN", any({"adjacent", "cyclic"})},
            {"MLP_PER_HEAD", any({"y", "n", "n"})},
            {"MLP_SHARE_HEADS", any({"1", "2"})},
            {"MLP_LEARNED_WIDTH", flag()},
            {"ENABLE_RA_MLA", any({"y", "y", "n"})},
            {"RA_MLA_SHARED_KV", flag()},
            {"RA_MLA_PER_HEAD_Q_LATENT", flag()},
            {"RA_MLA_PER_HEAD_V_UP", flag()},
            {"RA_MLA_FORM", any({"latent", "deepseek"})},
            {"RA_MLA_LATENT_SOURCE", any({"project", "project", "slice", "frozen"})},
            {"RA_MLA_LATENT_NORM", any({"y", "n", "n"})},
            {"RA_MLA_LATENT_SCALE", flag()},
            {"RA_MLA_Q_LATENT_DIM", any({"0", "3"})},
            {"RA_MLA_ROPE_DIM", any({"0", "2", "6"})},
            {"RA_MLA_LATENT_DIM", any({"2", "4", "7", "12"})}};
  }

  std::mt19937_64 random_;
};

// How far float32 itself is from float64, at the worst position: a norm over a few nearly equal channels
// makes much of little, of one rounding as of another.
double rounding_of_full_pass(const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT) {
  const Tensor exact = Gpt(config, in_double(parameters)).logits(tokens_BT);
  const Tensor rounded = Gpt(config, parameters).logits(tokens_BT).to(at::kDouble);
  const Tensor by_position_T =
      at::linalg_vector_norm(rounded - exact, 2, {{0, 2}}) / at::linalg_vector_norm(exact, 2, {{0, 2}});
  return by_position_T.max().item<double>();
}

std::string written(const Deltas& deltas) {
  std::vector<std::string> assignments;
  for (const auto& [symbol, value] : deltas) assignments.push_back(str(symbol, "=", value));
  return join(assignments, " ");
}

TEST(Decoder, GivesTheLogitsOfTheFullPassForRandomConfigurations) {
  const std::uint64_t seed = std::random_device{}();
  RandomConfig random(seed);
  int in_float32 = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Deltas deltas = random.draw();
    SCOPED_TRACE(str("seed ", seed, ", configuration ", i, ": ", written(deltas)));
    const Config config = small_config(deltas);
    const auto parameters = random_parameters(config, i + 1);
    const Tensor tokens_BT = some_tokens(config, 1 + static_cast<std::int64_t>(i % 3), i);
    const double rounding = rounding_of_full_pass(config, parameters, tokens_BT);
    EXPECT_LT(decode_gap(Gpt(config, in_double(parameters)), tokens_BT),
              std::max(kDoubleGap, 100 * rounding * kDoubleToFloat));
    const auto filled = 1 + static_cast<std::int64_t>(i * 7 % static_cast<std::uint64_t>(config.gpt.context));
    EXPECT_LT(decode_gap(Gpt(config, in_double(parameters)), tokens_BT, filled),
              std::max(kDoubleGap, 100 * rounding * kDoubleToFloat))
        << filled << " filled";
    if (selects(config)) continue;  // discontinuous: compared in float64 (spec, section 3)
    EXPECT_LT(decode_gap(Gpt(config, parameters), tokens_BT), std::max(kFloatGap, 100 * rounding));
    ++in_float32;
  }
  EXPECT_GT(in_float32, 20);
}

TEST(Decoder, BeginsAnewAfterReset) {
  const Config config = small_config(arms().back().deltas);
  const auto parameters = random_parameters(config, 3);
  const Gpt model(config, parameters);
  const Tensor tokens_BT = some_tokens(config, 2, 3);
  Decoder decoder(model);
  const Tensor first = decoder.step(tokens_BT.select(1, 0));
  decoder.step(tokens_BT.select(1, 1));
  EXPECT_EQ(decoder.length(), 2);
  decoder.reset();
  EXPECT_TRUE(at::equal(decoder.step(tokens_BT.select(1, 0)), first));
}

TEST(Decoder, FillsAnEmptyCacheAlone) {
  const Config config = small_config();
  const auto parameters = random_parameters(config, 3);
  const Gpt model(config, parameters);
  Decoder decoder(model);
  decoder.step(at::zeros({1}, at::kLong));
  EXPECT_THROW(decoder.fill(at::zeros({1, 2}, at::kLong)), c10::Error);
  decoder.reset();
  decoder.fill(at::zeros({1, 2}, at::kLong));
  EXPECT_EQ(decoder.length(), 2);
}

TEST(Decoder, RefusesMoreTokensThanThereAreLearnedPositionsFor) {
  const Config config = small_config();
  const auto parameters = random_parameters(config, 3);
  const Gpt model(config, parameters);
  Decoder decoder(model);
  for (std::int64_t t = 0; t < config.gpt.context; ++t) decoder.step(at::zeros({1}, at::kLong));
  EXPECT_THROW(decoder.step(at::zeros({1}, at::kLong)), c10::Error);
}

TEST(Decoder, GoesOnPastTheContextWherePositionsAllowIt) {
  for (const Deltas& deltas :
       {Deltas{{"POSITIONS", "none"}, {"RA_MLA_RA_ALPHA", "0.5"}, {"RA_MLA_MLP_CROSS_TOKEN", "y"}},
        Deltas{{"POSITIONS", "rotary"}, {"ENABLE_RA_MLA", "n"}, {"RA_MLA_MLP_ATTN_GATE", "y"}}}) {
    const Config config = small_config(deltas);
    const auto tokens_BT = as_tensor(random_sequences(config, 2, 3 * config.gpt.context, 3).inputs);
    const Gpt model(config, in_double(random_parameters(config, 3)));
    EXPECT_LT(decode_gap(model, tokens_BT), kDoubleGap);
    EXPECT_LT(decode_gap(model, tokens_BT, 2 * config.gpt.context), kDoubleGap);
  }
}

TEST(Decoder, RefusesAGateThatLooksAhead) {
  const Config config = small_config({{"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_GATE_POOL", "sequence"}});
  const auto parameters = random_parameters(config, 3);
  const Gpt model(config, parameters);
  testing_support::expect_error([&] { Decoder decoder(model); },
                                {"RA_MLA_MLP_GATE_POOL = sequence", "causal_mean"});
}

}  // namespace
}  // namespace kablate
