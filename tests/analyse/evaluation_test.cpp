// A model's loss in the units that people compare, counted by hand.
#include "analyse/evaluation.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "model/parameters.h"
#include "shape/model_shape.h"
#include "support/configure.h"
#include "support/engine/model_fixture.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

TEST(Evaluation, CountsBytesOfTheTargets) {
  const TemporaryFolder folder;
  // Of the last tenth, "aé€…" of 1, 2 and 3 bytes: four windows of 5 tokens, the targets 1 to 20.
  std::string text(9 * 24, 'a');
  for (int i = 0; i < 8; ++i) text += "aé€";
  Config config = small_config({{"GPT2_BLOCK_SIZE", "5"}});
  config.data.dataset = DatasetKind::kText;
  config.data.path = folder.write("text", text);
  const auto data = open_dataset(config, "");
  const ParameterSet parameters = ParameterSet::initialized(model_parameters(config), 1);
  const Gpt model(config, parameters);
  const auto all = evaluate_validation(config, model, *data, 0, at::kCPU);
  EXPECT_EQ(all.windows, 4);
  EXPECT_EQ(all.tokens, 20);
  EXPECT_EQ(all.bytes, 7 * 2 + 7 * 3 + 6 * 1);  // é and € first, since the first character is no target
  EXPECT_DOUBLE_EQ(all.perplexity(), std::exp(all.loss));
  EXPECT_DOUBLE_EQ(all.bits_per_byte().value(), all.loss * 20 / 41 / std::log(2.0));
  const auto two = evaluate_validation(config, model, *data, 2, at::kCPU);
  EXPECT_EQ(two.windows, 2);
  EXPECT_EQ(two.tokens, 10);
  EXPECT_NE(two.loss, all.loss);
}

TEST(Evaluation, KnowsNoBytesOfBareIds) {
  const TemporaryFolder folder;
  folder.write("train.bin", std::string(200, '\1'));
  folder.write("val.bin", std::string(40, '\2'));
  Config config = small_config({{"GPT2_BLOCK_SIZE", "5"}, {"GPT2_VOCAB_SIZE", "600"}});
  config.data.dataset = DatasetKind::kBin;
  config.data.path = folder.path();
  const auto data = open_dataset(config, "");
  const ParameterSet parameters = ParameterSet::initialized(model_parameters(config), 1);
  const auto evaluation = evaluate_validation(config, Gpt(config, parameters), *data, 0, at::kCPU);
  EXPECT_EQ(evaluation.tokens, 15);
  EXPECT_FALSE(evaluation.bytes);
  EXPECT_FALSE(evaluation.bits_per_byte());
  EXPECT_GT(evaluation.loss, 0);
}

}  // namespace
}  // namespace kablate
