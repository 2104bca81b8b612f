// Experts: products of sorted tokens against every expert on every token, which of them a token goes through,
// and what models with them equal.
#include "model/experts.h"

#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "model/gpt.h"
#include "shape/model_shape.h"
#include "support/engine/model_fixture.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr std::int64_t kB = 4, kT = 8, kE = 12;
constexpr const char* kMlp = "transformer.h.0.mlp.";

Config config_of(std::int64_t experts, std::int64_t top, const Deltas& more = {}) {
  return small_config(Deltas{{"MLP_EXPERTS", std::to_string(experts)},
                             {"MLP_EXPERTS_TOP", std::to_string(top)},
                             {"GPT2_N_LAYER", "1"}} +
                      more);
}

// The first layer's, with their parameters, and gradients of a fixed sum over what they give.
struct Layer {
  Layer(const Config& config, at::ScalarType type, std::uint64_t seed)
      : parameters(random_parameters(config, seed).to(at::kCPU, type)),
        experts(ModelSpec(config).layers[0], parameters),
        x(at::randn({kB, kT, kE}, at::kDouble).to(type).set_requires_grad(true)) {
    pass.dtype = type;
    const auto F = ModelSpec(config).layers[0].F;
    above_y = at::randn({kB, kT, kE}, at::kDouble).to(type);
    above_u = at::randn({kB, kT, F}, at::kDouble).to(type);
  }

  std::map<std::string, Tensor> gradients(const Experts::Output& output) {
    ((output.y_BTE * above_y).sum() + (output.u_BTF * above_u).sum()).backward();
    std::map<std::string, Tensor> result{{"x", x.grad()}};
    for (const auto& [name, tensor] : parameters.by_name())
      if (name.starts_with(kMlp))
        result[name] = tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor);
    for (const auto& tensor : parameters.tensors()) tensor.mutable_grad().reset();
    x.mutable_grad().reset();
    return result;
  }

  ParameterSet parameters;
  Experts experts;
  Tensor x, above_y, above_u;
  Pass pass;
};

void expect_near(const Tensor& found, const Tensor& expected, double most, const std::string& name) {
  const double size = std::max(expected.norm().item<double>(), 1e-3);
  EXPECT_LE((found - expected).norm().item<double>(), most * size) << name;
}

// Values and gradients, with and without padding, where experts get many tokens, some or none.
TEST(GroupedProducts, EqualEveryExpertOnEveryToken) {
  const auto seed = seed_of_this_run();
  at::manual_seed(seed);
  for (const auto type : {at::kDouble, at::kFloat})
    for (const auto& [experts, top] : {std::pair{2, 1}, {2, 2}, {3, 2}, {5, 1}, {40, 2}})
      for (const char* activation : {"gelu", "swiglu"})
        for (const bool padded : {false, true}) {
          SCOPED_TRACE(str(experts, " experts, top ", top, ", ", activation, ", padded ", padded));
          Layer layer(config_of(experts, top, {{"GPT2_ACTIVATION", activation}}), type, seed);
          if (padded) layer.pass.span.keep_BT = at::rand({kB, kT}).gt(0.3);
          const double most = type == at::kDouble ? 1e-12 : 3e-5;
          const auto run = [&](bool grouped) {
            const Routing routing = layer.experts.route(layer.x, layer.pass);
            return grouped ? layer.experts.forward(layer.x, routing, true, layer.pass)
                           : layer.experts.written_out(layer.x, routing, layer.pass);
          };
          const auto found = run(true), expected = run(false);
          expect_near(found.y_BTE, expected.y_BTE, most, "y");
          expect_near(found.u_BTF, expected.u_BTF, most, "u");
          const auto own = layer.gradients(found), other = layer.gradients(expected);
          ASSERT_EQ(own.size(), other.size());
          for (const auto& [name, gradient] : other) expect_near(own.at(name), gradient, most, name);
        }
}

TEST(GroupedProducts, AreTheSameBitsWheneverCalled) {
  at::manual_seed(seed_of_this_run());
  Layer layer(config_of(4, 2), at::kFloat, 3);
  const auto run = [&] {
    const auto output =
        layer.experts.forward(layer.x, layer.experts.route(layer.x, layer.pass), true, layer.pass);
    auto all = layer.gradients(output);
    all["y"] = output.y_BTE.detach();
    return all;
  };
  const auto first = run(), second = run();
  for (const auto& [name, tensor] : first) EXPECT_TRUE(at::equal(tensor, second.at(name))) << name;
}

TEST(ChosenExperts, AreTheMostProbableAndOfEqualOnesTheLower) {
  const auto chosen = [](std::initializer_list<double> p, std::int64_t count) {
    const Tensor found = chosen_of(at::tensor(std::vector<double>(p), at::kDouble).view({1, 1, -1}), count);
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < found.numel(); ++i) ids.push_back(found.flatten()[i].item<std::int64_t>());
    return ids;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(chosen({.1, .6, .3}, 1), Ids{1});
  EXPECT_EQ(chosen({.1, .6, .3}, 2), (Ids{1, 2}));
  EXPECT_EQ(chosen({.2, .4, .4}, 1), Ids{1});
  EXPECT_EQ(chosen({.25, .25, .25, .25}, 2), (Ids{0, 1}));
  EXPECT_EQ(chosen({.4, .2, .4}, 2), (Ids{0, 2}));
  EXPECT_EQ(chosen({.5, .5}, 2), (Ids{0, 1}));
  EXPECT_EQ(chosen({0, 0, 1}, 2), (Ids{2, 0})) << "the other's probability may be 0";
}

// f is over choices, P over positions, both over those that are kept.
TEST(Balance, EqualsTheSumDoneByHand) {
  const Tensor p = at::tensor({.7, .2, .1, .6, .3, .1, .1, .2, .7}, at::kDouble).view({1, 3, 3});
  const auto routing = [&](std::int64_t top) { return Routing{p, chosen_of(p, top), {}}; };
  const Tensor first_two = at::tensor({1, 1, 0}, at::kInt).to(at::kBool).view({1, 3});
  const auto near = [](const Tensor& found, double expected) {
    EXPECT_NEAR(found.item<double>(), expected, 1e-12);
  };
  near(balance_of(routing(1), {}), 3 * (2.0 / 3 * 1.4 / 3 + 1.0 / 3 * 0.9 / 3));
  near(balance_of(routing(1), first_two), 3 * (1 * 0.65));
  near(balance_of(routing(2), {}), 3 * (2.0 / 6 * 1.4 / 3 + 3.0 / 6 * 0.7 / 3 + 1.0 / 6 * 0.9 / 3));
  near(balance_of(routing(2), first_two), 3 * (0.5 * 0.65 + 0.5 * 0.25));
  near(loads_of(routing(2), {}).sum(), 1);
  const Tensor even = at::full({2, 4, 4}, 0.25, at::kDouble);
  near(balance_of({even, at::arange(8).remainder(4).view({2, 4, 1}), {}}, {}), 1);
}

// MLP(x) for every token: once by its weight, which of two sum to 1.
TEST(EqualExperts, AreOneMlpByTheRoutersWeight) {
  at::manual_seed(seed_of_this_run());
  for (const std::int64_t top : {1, 2}) {
    Layer layer(config_of(4, top), at::kDouble, 5);
    const Config dense = small_config({{"GPT2_N_LAYER", "1"}});
    const auto of_dense = random_parameters(dense, 6).to(at::kCPU, at::kDouble);
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : layer.parameters.by_name())
      if (const auto place = name.find("experts."); place != std::string::npos)
        tensor.copy_(of_dense[kMlp + name.substr(name.find('.', place + 8) + 1)]);
    const Mlp mlp(ModelSpec(dense).layers[0], of_dense);
    const Tensor u = mlp.activate(mlp.before_activation(layer.x, layer.pass)),
                 expected = mlp.output(u, layer.pass);
    const Routing routing = layer.experts.route(layer.x, layer.pass);
    const Tensor weight = top == 1 ? std::get<0>(routing.p_BTn.max(2, true)) : at::ones({1}, at::kDouble);
    const auto found = layer.experts.forward(layer.x, routing, true, layer.pass);
    expect_near(found.y_BTE, expected * weight, 1e-12, "y");
    expect_near(found.u_BTF, u * weight, 1e-12, "u");
  }
}

// In bfloat16 too p is made of float32 numbers, and the router is not cast.
TEST(Router, IsFloat32InEveryType) {
  for (const auto& [type, expected] : {std::pair{at::kBFloat16, at::kFloat}, {at::kDouble, at::kDouble}}) {
    const Config config = config_of(3, 1);
    const auto drawn = random_parameters(config, 7);
    const auto parameters = type == at::kDouble ? in_double(drawn) : drawn.with_maps_in(type);
    const Experts experts(ModelSpec(config).layers[0], parameters);
    Pass pass;
    pass.dtype = type;
    const Tensor x = at::randn({2, 3, kE}).to(type);
    const Routing routing = experts.route(x, pass);
    EXPECT_EQ(routing.p_BTn.scalar_type(), expected);
    const Tensor exact = at::softmax(
        at::linear(x.to(at::kDouble), drawn[std::string(kMlp) + "router.weight"].to(at::kDouble)), -1);
    EXPECT_LE(relative_difference(routing.p_BTn, exact), 1e-6);
  }
}

// What no step of a training may change: with RECOMPUTE the choices are those of the forward pass.
TEST(Experts, AreTheSameNumbersWithRecompute) {
  for (const char* top : {"1", "2"}) {
    Config plain =
        small_config({{"MLP_EXPERTS", "3"}, {"MLP_EXPERTS_TOP", top}, {"RA_MLA_MLP_ATTN_GATE", "y"}});
    plain.limits.recomputed_rows = 16;  // two pieces
    Config again = plain;
    again.train.recompute = true;
    const auto parameters = in_double(random_parameters(plain, 8));
    const auto sequences = random_sequences(plain, 4, 8, 8);
    const auto kept = loss_gradients(plain, parameters, sequences),
               made = loss_gradients(again, parameters, sequences);
    const Tensor tokens = as_tensor(sequences.inputs);
    EXPECT_TRUE(at::equal(Gpt(plain, parameters).logits(tokens), Gpt(again, parameters).logits(tokens)));
    for (const auto& [name, gradient] : kept) expect_near(made.at(name), gradient, 1e-12, name);
  }
}

}  // namespace
}  // namespace kablate
