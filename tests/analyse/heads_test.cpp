// What heads do: against plain loops over the reference model's P and maps made here, and on weights set by
// hand so that one head finds what followed before.
#include "analyse/heads.h"

#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/gpt.h"
#include "shape/model_shape.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

using reference::Matrix;

HeadsRecord look(const Config& config, const ParameterSet& parameters, const Tensor& sequences) {
  return look_at_heads(Gpt(config, parameters), sequences, [] {});
}

std::vector<std::int64_t> ids_below(std::int64_t end) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; id < end; ++id) ids.push_back(id);
  return ids;
}

// --- Against plain loops

// What of one head the reference's P says, summed over sequences.
HeadScores scores_of(const Matrix& P, std::size_t N) {
  HeadScores scores;
  for (std::size_t t = 1; t < 2 * N; ++t) scores.previous += P[t][t - 1] / static_cast<double>(2 * N - 1);
  for (std::size_t t = N; t < 2 * N; ++t) {
    scores.induction += P[t][t - N + 1] / static_cast<double>(N);
    scores.duplicate += P[t][t - N] / static_cast<double>(N);
    for (std::size_t s = 0; s <= t; ++s)
      if (P[t][s] > 0) scores.entropy -= P[t][s] * std::log(P[t][s]) / static_cast<double>(N);
  }
  return scores;
}

double loss_of(const Matrix& logits, const std::vector<std::int64_t>& ids, std::size_t first,
               std::size_t end) {
  double sum = 0;
  for (std::size_t t = first; t < end; ++t) {
    double total = 0;
    for (const double logit : logits[t - 1]) total += std::exp(logit);
    sum += std::log(total) - logits[t - 1][static_cast<std::size_t>(ids[t])];
  }
  return sum / static_cast<double>(end - first);
}

// The maps of a layer by name, with its adapters.
class Maps {
 public:
  Maps(const Config& config, const ParameterSet& parameters, std::int64_t layer)
      : config_(config), parameters_(parameters), layer_(layer) {}

  Tensor operator[](const std::string& key) const {
    const std::string name = "transformer.h." + std::to_string(layer_) + ".attn." + key;
    const auto all = parameters_.by_name();
    Tensor map = parameters_[name + ".weight"];
    if (all.contains(name + ".lora_A.weight"))
      map = map + at::mm(all.at(name + ".lora_B.weight"), all.at(name + ".lora_A.weight")) *
                      (config_.lora.alpha / static_cast<double>(config_.lora.rank));
    return map;
  }
  Tensor raw(const std::string& key) const {
    return parameters_["transformer.h." + std::to_string(layer_) + ".attn." + key];
  }
  Tensor first_channels(std::int64_t L) const {
    return at::eye(config_.gpt.width, at::kDouble).narrow(0, 0, L);
  }

 private:
  const Config& config_;
  const ParameterSet& parameters_;
  std::int64_t layer_;
};

// x·OV of a head in its E channels, as the equations of each kind have it, norms and scales left out.
Tensor ov_map(const Config& config, const ParameterSet& parameters, std::int64_t layer, std::int64_t head) {
  const Maps maps(config, parameters, layer);
  const auto D = config.head_dim(), H = config.gpt.num_heads, E = config.gpt.width;
  const auto& widths = config.attention.latent_dim.values;
  const auto L = widths[widths.size() == 1 ? 0 : static_cast<std::size_t>(layer)];
  const bool slice = config.attention.latent_source == LatentSource::kSlice;
  Tensor values, output;
  if (!config.attention.latent) {
    const auto group = head / (H / config.key_heads());
    values = maps["c_attn"].narrow(0, E + (config.key_heads() + group) * D, D);
    output = maps["c_proj"];
  } else if (config.deepseek()) {
    const Tensor down = slice ? maps.first_channels(L) : maps["kv_a_proj_with_mqa"].narrow(0, 0, L);
    values = at::mm(maps.raw("kv_b_proj.weight").narrow(0, head * 2 * D + D, D), down);
    output = maps["o_proj"];
  } else {
    const Tensor down =
        slice ? maps.first_channels(L) : maps[config.attention.shared_kv ? "kv_down" : "v_down"];
    values = at::mm(
        config.attention.per_head_v_up ? maps.raw("v_up")[head].t() : maps.raw("v_up_shared.weight"), down);
    output = maps["out_proj"];
  }
  return at::mm(values.t(), output.narrow(1, head * D, D).t());
}

double copying_of(const Config& config, const ParameterSet& parameters, std::int64_t layer,
                  std::int64_t head) {
  const at::NoGradGuard no_grad;
  const Tensor through = at::mm(parameters["lm_head.weight"].t(), parameters["transformer.wte.weight"]);
  const Tensor values = at::linalg_eigvals(at::mm(ov_map(config, parameters, layer, head), through));
  return at::real(values).sum().item<double>() / values.abs().sum().item<double>();
}

class Heads : public testing::TestWithParam<Arm> {
 protected:
  Config config_ = small_config(GetParam().deltas);
  ParameterSet parameters_ = in_double(random_parameters(config_, 5));
  Tensor sequences_ = repeated_sequences(ids_below(config_.gpt.vocabulary), 4, 3, 2);
};

TEST_P(Heads, AreThoseOfThePlainModel) {
  constexpr std::size_t kN = 4;
  const HeadsRecord found = look(config_, parameters_, sequences_);
  const auto weights = plain_weights(parameters_);
  std::vector<HeadScores> expected;
  double first_loss = 0, second_loss = 0;
  for (std::int64_t n = 0; n < 3; ++n) {
    const auto* first = sequences_.const_data_ptr<std::int64_t>() + n * 8;
    const std::vector<std::int64_t> ids(first, first + 8);
    const auto output = reference::forward(config_, weights, ids);
    first_loss += loss_of(output.logits, ids, 1, kN) / 3,
        second_loss += loss_of(output.logits, ids, kN + 1, 8) / 3;
    std::size_t at = 0;
    for (const auto& trace : output.traces)
      for (const auto& P : trace.weights) {
        const auto scores = scores_of(P, kN);
        if (n == 0) expected.emplace_back();
        auto& sum = expected[at++];
        sum.induction += scores.induction / 3, sum.duplicate += scores.duplicate / 3;
        sum.previous += scores.previous / 3, sum.entropy += scores.entropy / 3;
      }
  }
  EXPECT_EQ(found.sequences, 3);
  EXPECT_EQ(found.length, 4);
  EXPECT_NEAR(found.first_loss, first_loss, 1e-8);
  EXPECT_NEAR(found.second_loss, second_loss, 1e-8);
  ASSERT_EQ(found.heads.size(), expected.size());
  ASSERT_EQ(std::ssize(expected), config_.gpt.num_layers * config_.gpt.num_heads);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& head = found.heads[i];
    EXPECT_EQ(head.layer, static_cast<std::int64_t>(i) / config_.gpt.num_heads);
    EXPECT_EQ(head.head, static_cast<std::int64_t>(i) % config_.gpt.num_heads);
    EXPECT_NEAR(head.induction, expected[i].induction, 1e-8);
    EXPECT_NEAR(head.duplicate, expected[i].duplicate, 1e-8);
    EXPECT_NEAR(head.previous, expected[i].previous, 1e-8);
    EXPECT_NEAR(head.entropy, expected[i].entropy, 1e-8);
    EXPECT_NEAR(head.copying,
                copying_of(config_, parameters_, config_.attention_owner(head.layer), head.head), 1e-8);
  }
}

// The kernels make P of every head where it is asked for, whatever a mechanism wants of its rows.
TEST_P(Heads, AreTheSameByTheKernels) {
  const auto narrow = look(config_, random_parameters(config_, 5), sequences_);
  const auto wide = look(config_, parameters_, sequences_);
  ASSERT_EQ(narrow.heads.size(), wide.heads.size());
  for (std::size_t i = 0; i < wide.heads.size(); ++i) {
    if (wide.heads[i].layer > 0 && config_.cross.enabled) continue;  // selections may differ below
    EXPECT_NEAR(narrow.heads[i].induction, wide.heads[i].induction, 1e-4);
    EXPECT_NEAR(narrow.heads[i].entropy, wide.heads[i].entropy, 1e-4);
  }
}

std::vector<Arm> looked_at() {
  const std::set<std::string> names{"Mha",
                                    "MhaWithoutBias",
                                    "GroupsOfQueries",
                                    "Rotary",
                                    "GroupsRotaryQkNormRmsNorm",
                                    "Mla",
                                    "MlaSharedKv",
                                    "MlaOneValueMap",
                                    "MlaNormed",
                                    "MlaScaled",
                                    "MlaSlice",
                                    "MlaRotary",
                                    "LatentWidthByLayer",
                                    "Reciprocal",
                                    "All",
                                    "AllReciprocalUntied",
                                    "Deepseek",
                                    "DeepseekRotary",
                                    "DeepseekSlice",
                                    "DeepseekSliceRotary",
                                    "AllDeepseek",
                                    "DeepseekQueryLatentScaled",
                                    "AllPost",
                                    "Lora",
                                    "MlaLora",
                                    "SharedMatrices",
                                    "DeepseekSliceLora",
                                    "MhaCross",
                                    "CrossTopKPerHead"};
  std::vector<Arm> found;
  for (const auto& arm : causal_arms())
    if (names.contains(arm.name)) found.push_back(arm);
  EXPECT_EQ(found.size(), names.size());
  return found;
}

INSTANTIATE_TEST_SUITE_P(Arms, Heads, testing::ValuesIn(looked_at()), arm_test_name);

TEST(HeadsUntied, CopyThroughAHeadOfTheirOwn) {
  const Config config = small_config({{"ENABLE_RA_MLA", "n"}, {"GPT2_WEIGHT_TYING", "n"}});
  const auto parameters = in_double(random_parameters(config, 3));
  const auto found = look(config, parameters, repeated_sequences(ids_below(11), 4, 1, 1));
  for (const auto& head : found.heads)
    EXPECT_NEAR(head.copying, copying_of(config, parameters, head.layer, head.head), 1e-8);
}

// --- On weights set by hand

// Eight ids, sixteen positions, and eight channels for the id before: 32 channels, one head. Layer 0 attends
// to the position before and writes its id into those channels; layer 1 looks there for its own id and says
// the id that stands there. No MLPs, norms that only scale.
class ByHand : public testing::Test {
 protected:
  static constexpr std::int64_t kIds = 8, kT = 16, kE = 32, kBefore = kIds + kT;

  ByHand() : parameters_(in_double(ParameterSet(model_parameters(config_)))) {
    const at::NoGradGuard no_grad;
    for (std::int64_t id = 0; id < kIds; ++id) weight("transformer.wte")[id][id] = 1;
    for (std::int64_t t = 0; t < kT; ++t) weight("transformer.wpe")[t][kIds + t] = 1;
    Tensor previous = weight("transformer.h.0.attn.c_attn"), finds = weight("transformer.h.1.attn.c_attn");
    for (std::int64_t t = 0; t < kT; ++t) {
      if (t > 0) previous[t - 1][kIds + t] = kSharp;  // position t asks for t - 1
      previous[kE + t][kIds + t] = 1;
      finds[kIds][kIds + t] = kSharp;  // every position asks for none that has nothing before it
    }
    finds[kE + kIds][kIds] = -1;
    for (std::int64_t id = 0; id < kIds; ++id) {
      finds[id][id] = kSharp, finds[kE + id][kBefore + id] = 1;
      previous[2 * kE + id][id] = finds[2 * kE + id][id] = 1;
      weight("transformer.h.0.attn.c_proj")[kBefore + id][id] = 0.25;  // what the norm before it took
      weight("transformer.h.1.attn.c_proj")[id][id] = 1;
    }
  }

  Tensor weight(const std::string& name) const { return parameters_[name + ".weight"].detach(); }
  HeadsRecord found() const {
    return look(config_, parameters_, repeated_sequences(ids_below(kIds), 8, 4, 1));
  }

  static constexpr double kSharp = 10;
  Config config_ = small_config({{"ENABLE_RA_MLA", "n"},
                                 {"GPT2_N_LAYER", "2"},
                                 {"GPT2_N_HEAD", "1"},
                                 {"GPT2_N_EMBD", "32"},
                                 {"GPT2_VOCAB_SIZE", "8"},
                                 {"GPT2_BLOCK_SIZE", "16"},
                                 {"GPT2_BIAS", "n"},
                                 {"MLP_EXPANSION", "0"},
                                 {"NORM_KIND", "rmsnorm"},
                                 {"NORM_AFFINE", "n"}});
  ParameterSet parameters_;
};

TEST_F(ByHand, AnInductionHeadIsOne) {
  const auto record = found();
  ASSERT_EQ(record.heads.size(), 2u);
  EXPECT_GT(record.heads[1].induction, 0.999);
  EXPECT_LT(record.heads[1].duplicate, 1e-3);
  EXPECT_LT(record.heads[1].entropy, 0.01);
  EXPECT_GT(record.heads[0].previous, 0.999);
  EXPECT_LT(record.heads[0].induction, 1e-3);
  EXPECT_LT(record.loss_difference(), -0.5);
  EXPECT_EQ(record.most(&HeadScores::induction), &record.heads[1]);
}

TEST_F(ByHand, WithoutTheHeadBelowItThereIsNone) {
  const at::NoGradGuard no_grad;
  weight("transformer.h.0.attn.c_proj").zero_();
  EXPECT_LT(found().heads[1].induction, 0.2);
}

TEST_F(ByHand, CopyingIsTheSignOfWhatIsCopied) {
  const at::NoGradGuard no_grad;
  EXPECT_NEAR(found().heads[1].copying, 1, 1e-12);
  EXPECT_EQ(found().heads[0].copying, 0) << "it writes where the head does not look";
  weight("transformer.h.1.attn.c_proj").neg_();
  EXPECT_NEAR(found().heads[1].copying, -1, 1e-12);
}

// --- Sequences

TEST(RepeatedSequences, AreTwoCopiesOfDistinctIdsWhereTheySuffice) {
  const std::vector<std::int64_t> ids{2, 3, 5, 7, 11, 13};
  for (const std::int64_t length : {5, 6, 9}) {
    const Tensor sequences = repeated_sequences(ids, length, 20, 3);
    ASSERT_EQ(sequences.sizes(), at::IntArrayRef({20, 2 * length}));
    EXPECT_TRUE(sequences.narrow(1, 0, length).equal(sequences.narrow(1, length, length)));
    std::set<std::int64_t> drawn;
    for (std::int64_t n = 0; n < 20; ++n) {
      std::set<std::int64_t> own;
      for (std::int64_t t = 0; t < length; ++t) own.insert(sequences[n][t].item<std::int64_t>());
      EXPECT_EQ(std::ssize(own) == length, length <= 6) << "sequence " << n << " of length " << length;
      drawn.insert(own.begin(), own.end());
    }
    EXPECT_THAT(drawn, testing::ElementsAreArray(ids));
  }
}

TEST(RepeatedSequences, AreKeyedBySeedAndNumber) {
  const auto ids = ids_below(40);
  const Tensor many = repeated_sequences(ids, 10, 8, 1);
  EXPECT_TRUE(repeated_sequences(ids, 10, 8, 1).equal(many));
  EXPECT_TRUE(repeated_sequences(ids, 10, 3, 1).equal(many.narrow(0, 0, 3)));
  EXPECT_FALSE(repeated_sequences(ids, 10, 8, 2).equal(many));
  EXPECT_FALSE(many[0].equal(many[1]));
}

}  // namespace
}  // namespace kablate
