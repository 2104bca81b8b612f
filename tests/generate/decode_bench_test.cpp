// What is timed is a step behind a cache that holds what it says.
#include "generate/decode_bench.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "config/mechanism.h"
#include "model/parameters.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

TEST(DecodeBench, TimesStepsBehindAFilledCache) {
  for (const auto& arm : arms()) {
    SCOPED_TRACE(arm.name);
    Config config = small_config(arm.deltas);
    const bool window = config.reciprocal_attention();  // it need not be full
    if (window || !undecodable_reason(config).empty()) continue;
    constexpr std::int64_t kLong = 12, kBatch = 3;
    config.gpt.context = kLong + DecodeBench::kSteps;
    const auto parameters = random_parameters(config, 1);
    const Gpt model(config, parameters);
    DecodeBench bench(model, kBatch, at::kCPU);
    std::int64_t calls = 0;
    for (const std::int64_t context : {std::int64_t{1}, kLong, std::int64_t{5}}) {
      const auto cost = bench.time(context, [&] { ++calls; });
      EXPECT_EQ(cost.context, context);
      EXPECT_EQ(cost.cache_bytes,
                static_cast<double>(kBatch * (context * decode_cache_bytes_per_token(config) +
                                              decode_cache_bytes_fixed(config))));
      EXPECT_GT(cost.ms_per_token, 0);
      EXPECT_DOUBLE_EQ(cost.tokens_per_s, 1e3 * kBatch / cost.ms_per_token);
      EXPECT_GT(cost.fill_seconds, 0);
    }
    // One token and 11 steps make 12; five are filled from an empty cache, in one pass.
    EXPECT_EQ(calls, 1 + 0 + 1 + 3 * DecodeBench::kSteps);
  }
}

TEST(DecodeBench, GoesOnTokenByTokenWhereOnePassWouldKeepTooManyWeights) {
  Config config = small_config();
  config.gpt.context = 50 + DecodeBench::kSteps;
  const auto parameters = random_parameters(config, 1);
  const Gpt model(config, parameters);
  constexpr std::int64_t kBatch = 2;
  DecodeBench bench(model, kBatch, at::kCPU, kBatch * config.gpt.num_heads * 40 * 40);
  std::int64_t calls = 0;
  bench.time(50, [&] { ++calls; });
  EXPECT_EQ(calls, 1 + 10 + DecodeBench::kSteps);
}

TEST(DecodeBench, RefusesWhatCantBeDecoded) {
  const Config config = small_config({{"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_GATE_POOL", "sequence"}});
  const auto parameters = random_parameters(config, 1);
  const Gpt model(config, parameters);
  testing_support::expect_error([&] { DecodeBench(model, 1, at::kCPU); },
                                {"RA_MLA_MLP_GATE_POOL = sequence"});
}

}  // namespace
}  // namespace kablate
