// Every arm on a GPU beside the same arm on the CPU: what the objective gives and its gradients in float64,
// decoding, and the trial's own updates. Skipped where LibTorch finds no GPU.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "data/dataset.h"
#include "generate/decode.h"
#include "model/dropout_mask.h"
#include "support/engine/model_fixture.h"
#include "support/engine/observables.h"
#include "support/engine/twin.h"
#include "train/objective.h"
#include "train/trainer.h"

namespace kablate {
namespace {

const c10::Device kGpu(c10::kCUDA, 0);

const Deltas kRoom{{"GPT2_VOCAB_SIZE", "13"}};  // for a mask token beside the characters

// The model's switches, and what acts in training alone.
std::vector<Arm> trained_arms() {
  auto all = arms();
  all.push_back({"Dropout", {{"GPT2_DROPOUT", "0.2"}}});
  all.push_back({"DropoutLora", {{"USE_LORA_ATTN", "y"}, {"LORA_DROPOUT", "0.2"}}});
  all.push_back({"AdamW", {{"OPTIMIZER", "adamw"}}});
  all.push_back({"Unshares", {{"MLP_SHARE_LAYERS", "3"}, {"MLP_UNSHARE_AT", "2"}}});
  all.push_back({"FreezesBase", {{"USE_LORA_ATTN", "y"}, {"LORA_FREEZE_BASE_AT", "2"}}});
  return all;
}

class OnTheGpu : public testing::TestWithParam<Arm> {
 protected:
  void SetUp() override { at::globalContext().setDeterministicAlgorithms(true, false); }
  void TearDown() override { at::globalContext().setDeterministicAlgorithms(false, false); }
};

struct Found {
  std::vector<double> means;
  std::map<std::string, Tensor> gradients;  // on the CPU
};

Found found_on(c10::Device device, const Config& config, const ParameterSet& given, const Batch& batch,
               const Objective& objective) {
  const auto parameters = given.to(device, at::kDouble);
  const Gpt model(config, parameters);
  const Dropout dropout(config.gpt.dropout, 5, {0, 1, 2});
  Found found;
  Tensor sum;
  for (const auto& term :
       objective.run(model, on_device(batch, device), config.drops() ? dropout : Dropout()).terms) {
    found.means.push_back(term.mean.item<double>());
    const Tensor part = (term.factor == 0 ? 1 : term.factor) * term.mean;
    if (part.requires_grad()) sum = sum.defined() ? sum + part : part;
  }
  sum.backward();
  for (const auto& [name, tensor] : parameters.by_name())
    if (tensor.grad().defined()) found.gradients[name] = tensor.grad().cpu();
  return found;
}

TEST_P(OnTheGpu, TheLossAndItsGradientsAreTheCpus) {
  const Config config = small_config(GetParam().deltas);
  const auto parameters = random_parameters(config, 7);
  const auto objective = make_objective(config, audited_mask_token(config));
  const Batch batch = objective->keyed({.inputs = random_tokens(config, 3, config.gpt.context, 7),
                                        .targets = random_tokens(config, 3, config.gpt.context, 8),
                                        .samples = {0, 1, 2}},
                                       7);
  const auto cpu = found_on(c10::kCPU, config, parameters, batch, *objective),
             gpu = found_on(kGpu, config, parameters, batch, *objective);
  ASSERT_EQ(gpu.means.size(), cpu.means.size());
  for (std::size_t i = 0; i < cpu.means.size(); ++i) EXPECT_NEAR(gpu.means[i], cpu.means[i], 1e-9);
  ASSERT_EQ(gpu.gradients.size(), cpu.gradients.size());
  for (const auto& [name, gradient] : cpu.gradients)
    EXPECT_LE((gpu.gradients.at(name) - gradient).norm().item<double>(),
              1e-8 * (1 + gradient.norm().item<double>()))
        << name;
}

TEST_P(OnTheGpu, DecodesWhatTheWholePassGives) {
  const at::NoGradGuard no_grad;
  const Config config = small_config(GetParam().deltas);
  if (!undecodable_reason(ModelSpec(config)).empty()) GTEST_SKIP() << "it has no cache";
  const auto parameters = random_parameters(config, 8).to(kGpu, at::kDouble);
  const Gpt model(config, parameters);
  const Tensor tokens = random_tokens(config, 2, config.gpt.context, 8).to(kGpu);
  Decoder decoder(model);
  std::vector<Tensor> rows;
  for (std::int64_t t = 0; t < tokens.size(1); ++t) rows.push_back(decoder.step(tokens.select(1, t)));
  EXPECT_LE(relative_difference(at::stack(rows, 1), model.logits(tokens)), 1e-9);
}

// Five updates, an evaluation and the observations: twice the same bits, and near the CPU's.
TEST_P(OnTheGpu, TrainsAsTheCpuDoesAndTwiceTheSame) {
  const auto settings = observed_settings(GetParam().deltas + kRoom);
  const auto rows = [&](const char* device) {
    const Config config = bound(changed(settings, {{"DEVICE", device}, {"DTYPE", "float32"}}));
    Trainer trainer(config, 1, open_dataset(config, {}));
    std::vector<double> losses;
    for (int i = 0; i < 5; ++i) {
      const Update update = trainer.update();
      EXPECT_TRUE(update.finite);
      losses.push_back(*update.row.loss), losses.push_back(*update.row.grad_norm);
    }
    losses.push_back(*trainer.evaluate([] {}).val_loss);
    trainer.observe();
    return losses;
  };
  const auto gpu = rows("cuda"), again = rows("cuda"), cpu = rows("cpu");
  EXPECT_EQ(gpu, again);
  for (std::size_t i = 0; i < cpu.size(); ++i)
    EXPECT_NEAR(gpu[i], cpu[i], 2e-3 * (1 + std::abs(cpu[i]))) << i;
}

TEST_P(OnTheGpu, TrainsInBFloat16) {
  const auto settings =
      changed(observed_settings(GetParam().deltas + kRoom), {{"DEVICE", "cuda"}, {"DTYPE", "bfloat16"}});
  const Config config = bound(settings);
  const auto last = [&] {
    Trainer trainer(config, 1, open_dataset(config, {}));
    double loss = 0;
    for (int i = 0; i < 3; ++i) loss = *trainer.update().row.loss;
    return loss;
  };
  const double loss = last();
  EXPECT_TRUE(std::isfinite(loss));
  EXPECT_EQ(loss, last());
}

// What LibTorch compiles there, beside whole tensors here: every bit, at sizes that fill no block of four,
// over the pieces that it is cut into, and for sample numbers beyond 32 bits.
TEST(Gpu, KeepsTheElementsThatTheCpuKeeps) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no GPU";
  const auto seed = seed_of_this_run();
  for (std::uint64_t round = 0; round < 20; ++round) {
    const auto drawn = [&](std::uint64_t n) { return random_bits(seed, 10 * round + n); };
    const auto count = static_cast<std::int64_t>(round == 0 ? (1 << 24) + 7 : 1 + drawn(0) % 5000);
    const double drop = round == 1 ? 0 : 0.1 + 0.8 * random_uniform(seed, 10 * round + 1);
    const std::vector<std::uint64_t> samples{drawn(2) % 100, drawn(3) >> 2};
    const auto kept = [&](c10::Device device) {
      return kept_by_dropout(drawn(4), samples, drop, count, device).cpu();
    };
    EXPECT_TRUE(kept(kGpu).equal(kept(c10::kCPU))) << "seed " << seed << ", round " << round;
  }
}

// One line where there is none, instead of some for each arm.
TEST(Gpu, IsHere) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no GPU: no arm is compared on one";
}

std::vector<Arm> arms_here() { return at::hasCUDA() ? trained_arms() : std::vector<Arm>(); }

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OnTheGpu);
INSTANTIATE_TEST_SUITE_P(Arms, OnTheGpu, testing::ValuesIn(arms_here()), arm_test_name);

}  // namespace
}  // namespace kablate
