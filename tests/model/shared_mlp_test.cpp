// MLPs shared by layers and heads: what initialises, is counted, trains, generates, is saved and loaded.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "generate/decode.h"
#include "interchange/weights.h"
#include "model/gpt.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/model_fixture.h"
#include "support/engine/small_trial.h"
#include "train/trainer.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using testing_support::SmallTrial;

const Deltas kAlone = {{"GPT2_N_LAYER", "4"}, {"GPT2_N_HEAD", "4"}}, kPerHead = {{"MLP_PER_HEAD", "y"}},
             kHeads = {{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_HEADS", "2"}},
             kAdjacent = {{"MLP_SHARE_LAYERS", "2"}},
             kCyclic = {{"MLP_SHARE_LAYERS", "2"}, {"MLP_SHARE_PATTERN", "cyclic"}},
             kAllLayers = {{"MLP_SHARE_LAYERS", "4"}};

struct Case {
  const char* name;
  Deltas deltas, apart;  // and what shares nothing
  std::int64_t sharing;  // how many have one MLP
};
const std::vector<Case> kCases = {
    {"Adjacent", kAdjacent, {}, 2},
    {"Cyclic", kCyclic, {}, 2},
    {"AllLayers", kAllLayers, {}, 4},
    {"Heads", kHeads, kPerHead, 2},
    {"LayersAndHeads", kAdjacent + kHeads, kPerHead, 4},
    {"All", kAllLayers + kPerHead + Deltas{{"MLP_SHARE_HEADS", "4"}}, kPerHead, 16}};

class SharedMlp : public testing::TestWithParam<Case> {
 protected:
  Config config_ = small_config(kAlone + GetParam().deltas), apart_ = small_config(kAlone + GetParam().apart);
  ParameterTable table_ = model_parameters(config_);
};
INSTANTIATE_TEST_SUITE_P(Ways, SharedMlp, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

bool is_of_an_mlp(const std::string& name) { return name.find(".mlp.") != std::string::npos; }

// As the layer that owns it would draw it alone; nothing else changes.
TEST_P(SharedMlp, InitialisesAsItsOwner) {
  const auto alone = ParameterSet::initialized(model_parameters(apart_), 3).by_name();
  for (const auto& [name, tensor] : ParameterSet::initialized(table_, 3).by_name()) {
    const auto& expected = alone.at(name);  // no name is new
    if (tensor.dim() > 0 && tensor.size(0) == expected.size(0))
      EXPECT_TRUE(at::equal(tensor, expected)) << name;
    else
      EXPECT_TRUE(is_of_an_mlp(name)) << name;
  }
}

TEST_P(SharedMlp, IsCountedOnce) {
  const auto here = parameters_by_part(config_), there = parameters_by_part(apart_);
  for (const auto& [part, count] : here)
    EXPECT_EQ(count, part == Part::kMlp ? there.at(part) / GetParam().sharing : there.at(part)) << part;
  std::int64_t held = 0;
  const ParameterSet parameters(table_);
  for (const auto& tensor : parameters.tensors()) held += tensor.numel();
  EXPECT_EQ(held, parameter_count(config_));
  EXPECT_EQ(flops_per_iteration(config_), flops_per_iteration(apart_));
}

TEST_P(SharedMlp, TrainsAndGenerates) {
  const SmallTrial trial(mechanisms(false, false, false) + kAlone + GetParam().deltas +
                         Deltas{{"GPT2_DROPOUT", "0"}, {"GPT2_MAX_ITERS", "40"}});
  Trainer trainer(trial.config, 1, trial.data);
  double first = 0, last = 0;
  while (!trainer.done()) {
    const auto update = trainer.update();
    ASSERT_TRUE(update.finite);
    (first == 0 ? first : last) = *update.row.loss;
  }
  EXPECT_LT(last, 0.9 * first);
  const at::NoGradGuard no_grad;
  Decoder decoder(trainer.session().model);
  const Tensor token = at::zeros({1}, at::kLong);
  EXPECT_LT(relative_difference(decoder.step(token), trainer.session().model.logits(token.unsqueeze(1))[0]),
            1e-5);
}

// One copy of each tensor, which a model of equal settings reads, whatever they are called.
TEST_P(SharedMlp, IsSavedOnceAndLoaded) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "w.safetensors";
  const auto parameters = random_parameters(config_, 4);
  write_safetensors(path, parameters.by_name());
  EXPECT_EQ(read_safetensors(path).size(), table_.size());
  const auto read = read_weights(path, model_parameters(small_config(kAlone + GetParam().deltas)));
  const ParameterSet loaded(table_);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : loaded.by_name()) tensor.copy_(read.at(name));
  const Tensor tokens = as_tensor(random_sequences(config_, 2, 8, 4).inputs);
  EXPECT_TRUE(at::equal(Gpt(config_, loaded).logits(tokens), Gpt(config_, parameters).logits(tokens)));
}

TEST(SharedMlps, OfOneKeyAreOneWhateverThePattern) {
  const Config adjacent = small_config(kAlone + kAllLayers),
               cyclic = small_config(kAlone + kAllLayers + Deltas{{"MLP_SHARE_PATTERN", "cyclic"}});
  EXPECT_EQ(model_parameters(adjacent).uses, model_parameters(cyclic).uses);
}

// Weights of a model that shares otherwise: the tensor is named.
TEST(SharedMlps, RefuseTheWeightsOfOtherSettings) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "w.safetensors";
  const auto refused = [&](const Deltas& written, const Deltas& read, const char* tensor) {
    write_safetensors(path, random_parameters(small_config(kAlone + written), 5).by_name());
    expect_error([&] { read_weights(path, model_parameters(small_config(kAlone + read))); },
                 {"w.safetensors", tensor});
  };
  refused(kAdjacent, {}, "transformer.h.1.mlp.c_fc");
  refused({}, kAdjacent, "transformer.h.1.mlp.c_fc");
  write_safetensors(path, random_parameters(small_config(kAlone), 5).by_name());
  expect_error([&] { read_weights(path, model_parameters(small_config(kAlone + kAdjacent))); },
               {"differs from transformer.h.0.mlp", "set MLP_SHARE_LAYERS = 1"});
  refused(kCyclic, kAdjacent, "transformer.h.1.mlp.c_fc");
  refused(kPerHead, kHeads, "transformer.h.0.mlp.c_fc_heads");
  refused(kPerHead, {}, "transformer.h.0.mlp.c_fc");
}

// An optimizer's biases are no maps, though those of several heads have two dimensions.
TEST(SharedMlps, DecayNoBiasOfTheirHeads) {
  const Config config = small_config(kAlone + kPerHead);
  ParameterSet parameters(model_parameters(config));
  NamedParameters named;
  for (const auto& spec : parameters.specs()) {
    named.names.push_back(spec.name);
    named.tensors.push_back(at::ones(spec.shape).set_requires_grad(true));
    named.tensors.back().mutable_grad() = at::zeros(spec.shape);
  }
  const auto optimizer = make_optimizer(config.optim, named);
  static_cast<void>(optimizer->step(0.1));
  for (std::size_t i = 0; i < named.names.size(); ++i)
    EXPECT_EQ(named.tensors[i].eq(1).all().item<bool>(),
              named.names[i].find("bias") != std::string::npos || named.tensors[i].dim() == 1)
        << named.names[i];
}

}  // namespace
}  // namespace kablate
