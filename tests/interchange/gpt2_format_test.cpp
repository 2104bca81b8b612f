// Other programs' GPT-2s, made by hand: what maps comes in and goes out as it was, what does not is named.
#include "interchange/gpt2_format.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "shape/model_shape.h"
#include "support/configure.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

constexpr std::int64_t kE = 6, kT = 5, kV = 11, kF = 24, kLayers = 2;

// A state dict of nanoGPT: weights [out, in].
NamedTensors nanogpt_tensors(bool bias) {
  NamedTensors tensors{{"transformer.wte.weight", at::randn({kV, kE})},
                       {"transformer.wpe.weight", at::randn({kT, kE})}};
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    tensors[name + ".weight"] = at::randn(shape);
    if (bias) tensors[name + ".bias"] = at::randn({shape[0]});
  };
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = "transformer.h." + std::to_string(i);
    add(layer + ".ln_1", {kE}), add(layer + ".ln_2", {kE});
    add(layer + ".attn.c_attn", {3 * kE, kE}), add(layer + ".attn.c_proj", {kE, kE});
    add(layer + ".mlp.c_fc", {kF, kE}), add(layer + ".mlp.c_proj", {kE, kF});
  }
  add("transformer.ln_f", {kE});
  return tensors;
}

bool is_map(const std::string& name) {
  return name.find(".c_") != std::string::npos && name.ends_with("weight");
}

// The same as transformers keeps it: maps [in, out]; of GPT2Model the names begin with the parts.
NamedTensors hf_tensors(const NamedTensors& nanogpt, bool with_head) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : nanogpt)
    tensors[with_head ? name : name.substr(std::string("transformer.").size())] =
        is_map(name) ? tensor.t().contiguous() : tensor;
  return tensors;
}

Activation activation_of(const Config& config) { return ModelSpec(config).layers[0].activation; }

class Gpt2 : public testing::Test {
 protected:
  ImportedModel import(const NamedTensors& tensors, Gpt2Format format,
                       std::optional<Activation> activation = {}) const {
    const auto path = root_.path() / "in";
    write_safetensors(path, tensors);
    return import_gpt2("in", read_state_dict(path), format, {.heads = 3, .activation = activation});
  }
  Gpt2Format format(const NamedTensors& tensors) const {
    const auto path = root_.path() / "in";
    write_safetensors(path, tensors);
    return format_of("in", read_state_dict(path));
  }
  static void expect_equal(const NamedTensors& found, const NamedTensors& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      ASSERT_TRUE(found.contains(name)) << name;
      EXPECT_TRUE(at::equal(found.at(name), tensor)) << name;
    }
  }
  const TemporaryFolder root_;
};

TEST_F(Gpt2, NanoGptComesInAsItIs) {
  for (const bool bias : {false, true}) {
    const auto tensors = nanogpt_tensors(bias);
    EXPECT_EQ(format(tensors), Gpt2Format::kNanoGpt);
    const auto [settings, weights] = import(tensors, Gpt2Format::kNanoGpt);
    expect_equal(weights, tensors);
    const Config config = settings.bind();
    EXPECT_EQ(config.gpt.num_layers, kLayers);
    EXPECT_EQ(config.gpt.num_heads, 3);
    EXPECT_EQ(config.gpt.width, kE);
    EXPECT_EQ(config.gpt.context, kT);
    EXPECT_EQ(config.gpt.vocabulary, kV);
    EXPECT_EQ(config.mlp_width(0), kF);
    EXPECT_EQ(config.gpt.bias, bias);
    EXPECT_TRUE(config.gpt.tie_embeddings);
    EXPECT_EQ(activation_of(config), Activation::kGelu);
    EXPECT_EQ(arm_name(config), "mha");
  }
}

TEST_F(Gpt2, TransformersMapsAreTurned) {
  const auto tensors = nanogpt_tensors(true);
  for (const bool with_head : {false, true}) {
    const auto theirs = hf_tensors(tensors, with_head);
    EXPECT_EQ(format(theirs), Gpt2Format::kHfGpt2);
    const auto [settings, weights] = import(theirs, Gpt2Format::kHfGpt2);
    expect_equal(weights, tensors);
    EXPECT_EQ(activation_of(settings.bind()), Activation::kGeluTanh);
  }
  EXPECT_EQ(activation_of(
                import(hf_tensors(tensors, true), Gpt2Format::kHfGpt2, Activation::kGelu).settings.bind()),
            Activation::kGelu);
}

TEST_F(Gpt2, HeadsOfTheirOwnAreUntied) {
  auto tensors = nanogpt_tensors(false);
  tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone();
  auto tied = import(tensors, Gpt2Format::kNanoGpt);
  EXPECT_TRUE(tied.settings.bind().gpt.tie_embeddings);
  EXPECT_FALSE(tied.weights.contains("lm_head.weight"));
  tensors["lm_head.weight"][0][0] += 1;
  const auto own = import(tensors, Gpt2Format::kNanoGpt);
  EXPECT_FALSE(own.settings.bind().gpt.tie_embeddings);
  expect_equal(own.weights, tensors);
}

TEST_F(Gpt2, NarrowFloatsMasksAndPrefixesComeIn) {
  const auto tensors = nanogpt_tensors(true);
  for (const auto type : {at::kHalf, at::kBFloat16})
    for (const auto mask : {at::kBool, at::kByte, at::kFloat, at::kHalf}) {
      NamedTensors theirs, expected;
      for (const auto& [name, tensor] : hf_tensors(tensors, true)) theirs["module." + name] = tensor.to(type);
      for (const auto& [name, tensor] : tensors) expected[name] = tensor.to(type).to(at::kFloat);
      for (const auto* layer : {"module.transformer.h.0.attn.", "module.transformer.h.1.attn."}) {
        theirs[std::string(layer) + "bias"] = at::ones({1, 1, kT, kT}).tril().to(mask);
        theirs[std::string(layer) + "masked_bias"] = at::full({}, -1e4).to(mask);
      }
      expect_equal(import(theirs, Gpt2Format::kHfGpt2).weights, expected);
    }
}

TEST_F(Gpt2, WhatDoesNotMapIsNamed) {
  const auto refuse = [&](const NamedTensors& tensors, Gpt2Format format,
                          std::initializer_list<std::string> parts) {
    expect_error([&] { import(tensors, format); }, parts);
  };
  const auto plain = nanogpt_tensors(true);
  const auto with = [&](const std::string& name, const at::Tensor& tensor) {
    auto tensors = plain;
    tensors[name] = tensor;
    return tensors;
  };
  const auto without = [&](const std::string& name) {
    auto tensors = plain;
    tensors.erase(name);
    return tensors;
  };
  constexpr auto kNano = Gpt2Format::kNanoGpt;
  refuse(with("score.weight", at::ones({2, kE})), kNano, {"score.weight [2, 6]", "not a parameter"});
  refuse(with("lm_head.bias", at::ones({kV})), kNano, {"lm_head.bias [11]"});
  refuse(with("transformer.h.0.attn.bias", at::ones({kE})), kNano, {"transformer.h.0.attn.bias [6]"});
  refuse(with("transformer.h.5.attn.bias", at::ones({1, 1, 2, 2})), kNano,
         {"transformer.h.2.ln_1.weight", "missing"});
  refuse(with("transformer.h.x.ln_1.weight", at::ones({kE})), kNano, {"\"x\" is no layer's number"});
  refuse(with("transformer.h.1.mlp.c_fc.weight", at::ones({kF + 1, kE})), kNano,
         {"h.1.mlp.c_fc.weight", "[25, 6]"});
  refuse(with("transformer.h.1.ln_2.weight", at::ones({kE}, at::kInt)), kNano,
         {"h.1.ln_2.weight", "whole numbers"});
  refuse(without("transformer.h.1.attn.c_proj.bias"), kNano, {"transformer.h.1.attn.c_proj.bias", "missing"});
  refuse(without("transformer.wpe.weight"), kNano, {"transformer.wpe.weight is missing"});
  refuse(without("transformer.h.0.attn.c_attn.weight"), kNano,
         {"transformer.h.0.attn.c_attn.weight is missing"});
  refuse(plain, Gpt2Format::kHfGpt2, {"not hf-gpt2 but nanogpt", "--from nanogpt"});
  refuse(hf_tensors(plain, true), kNano, {"not nanogpt but hf-gpt2"});
  refuse(with("transformer.h.0.attn.c_attn.weight", at::ones({2 * kE, kE})), kNano,
         {"c_attn.weight has the shape [12, 6]", "[18, 6]", "[6, 18]"});
}

TEST_F(Gpt2, ConfigJsonIsReadOrRefused) {
  const auto hints = [](const char* text) { return hints_of_config(Json::parse(text), "config.json"); };
  EXPECT_EQ(hints(R"({"n_head": 4})").heads, 4);
  EXPECT_EQ(hints("{}").activation, Activation::kGeluTanh);
  EXPECT_EQ(hints(R"({"activation_function": "gelu"})").activation, Activation::kGelu);
  EXPECT_EQ(hints(R"({"activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-5})").activation,
            Activation::kGeluTanh);
  for (const char* bad : {R"({"n_head": 0})", R"({"n_head": "4"})", R"({"activation_function": "relu"})",
                          R"({"layer_norm_epsilon": 1e-6})", R"({"scale_attn_weights": false})",
                          R"({"scale_attn_by_inverse_layer_idx": true})", R"({"model_type": "llama"})", "[]"})
    expect_error([&] { hints(bad); }, {"config.json"});
}

Config gpt2_config(const Deltas& deltas) {
  const Deltas plain{{"GPT2_N_LAYER", "2"},
                     {"GPT2_N_HEAD", "3"},
                     {"GPT2_N_EMBD", "6"},
                     {"GPT2_BLOCK_SIZE", "5"},
                     {"GPT2_VOCAB_SIZE", "11"},
                     {"ENABLE_RA_MLA", "n"},
                     {"RA_MLA_MLP_ATTN_GATE", "n"},
                     {"RA_MLA_MLP_CROSS_TOKEN", "n"},
                     {"RA_MLA_MLP_LATENT_RECIP", "n"}};
  return changed(Settings::defaults(), plain + deltas).bind();
}

TEST_F(Gpt2, WhatGoesOutComesBack) {
  for (const bool tied : {true, false})
    for (const bool bias : {true, false})
      for (const auto format : {Gpt2Format::kNanoGpt, Gpt2Format::kHfGpt2}) {
        auto weights = nanogpt_tensors(bias);
        if (!tied) weights["lm_head.weight"] = at::randn({kV, kE});
        const Config config =
            gpt2_config({{"GPT2_BIAS", bias ? "y" : "n"}, {"GPT2_WEIGHT_TYING", tied ? "y" : "n"}});
        ASSERT_EQ(why_not_gpt2(config, format), "");
        const auto theirs = export_gpt2(config, weights, format);
        EXPECT_EQ(theirs.contains("lm_head.weight"), !tied || format == Gpt2Format::kNanoGpt);
        auto back = import(theirs, format, Activation::kGelu);
        if (!bias && format == Gpt2Format::kHfGpt2)
          for (auto& [name, tensor] : back.weights)
            if (name.ends_with(".bias")) weights[name] = at::zeros_like(tensor);  // those that it always has
        expect_equal(back.weights, weights);
        EXPECT_EQ(back.settings.bind().gpt.tie_embeddings, tied);
      }
}

TEST_F(Gpt2, WhatIsNoGpt2DoesNotGoOut) {
  const auto why = [](const Deltas& deltas, Gpt2Format format = Gpt2Format::kHfGpt2) {
    return why_not_gpt2(gpt2_config(deltas), format);
  };
  EXPECT_EQ(why({{"GPT2_ACTIVATION", "gelu_tanh"}, {"MLP_EXPANSION", "3"}}), "");
  EXPECT_EQ(
      why({{"RA_MLA_LATENT_DIM", "7"}, {"OPTIMIZER", "adamw"}, {"DTYPE", "bfloat16"}, {"GPT2_DROPOUT", "0"}}),
      "")
      << "what the model does not hang on is no reason";
  EXPECT_EQ(why({{"ENABLE_RA_MLA", "y"}, {"RA_MLA_MLP_ATTN_GATE", "y"}}),
            "hf-gpt2 has no place for ENABLE_RA_MLA = y, RA_MLA_MLP_ATTN_GATE = y");
  EXPECT_EQ(why({{"NORM_PLACEMENT", "post"}}), "hf-gpt2 has no place for NORM_PLACEMENT = post");
  EXPECT_EQ(why({{"GPT2_ATTENTION", "n"}}), "hf-gpt2 has no place for GPT2_ATTENTION = n");
  EXPECT_NE(why({{"MLP_EXPANSION", "0"}}), "");
  EXPECT_NE(why({{"MLP_EXPANSION", "3"}}, Gpt2Format::kNanoGpt).find("MLP_EXPANSION = 4"), std::string::npos);
  EXPECT_NE(why({{"GPT2_ACTIVATION", "gelu_tanh"}}, Gpt2Format::kNanoGpt).find("allowed: gelu"),
            std::string::npos);
}

}  // namespace
}  // namespace kablate
