// Experts: which of them a token goes through, and what the loop makes of their balance.
#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "audit/plain_model.h"
#include "audit/seeded_data.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "data/sample_order.h"
#include "train/contract.h"

namespace kablate {
namespace {

constexpr double kExpertRounding = 1e-11;
constexpr std::uint64_t kRoutedSeed = 1;

// "transformer.h.0.mlp." and "c_fc.weight" of the expert's tensor, with its number.
struct ExpertTensor {
  std::string mlp, key;
  std::int64_t expert = 0;
};
std::optional<ExpertTensor> expert_tensor(const std::string& name) {
  const auto place = name.find(kExpertNames);
  if (place == std::string::npos) return {};
  const auto first = place + std::string(kExpertNames).size(), dot = name.find('.', first);
  return ExpertTensor{name.substr(0, place) + ".mlp.", name.substr(dot + 1),
                      parse_int(name.substr(first, dot - first)).value()};
}

std::string expert_name(const ExpertTensor& of, std::int64_t expert) {
  return str(of.mlp, "experts.", expert, ".", of.key);
}

// Which number an expert has must not count: expert e as expert e + 1, with its router's row.
ParameterSet renumbered(const ParameterSet& parameters, std::int64_t experts) {
  const at::NoGradGuard no_grad;
  auto moved = with_moved_routers(parameters, 1);
  for (const auto& [name, tensor] : moved.by_name())
    if (const auto own = expert_tensor(name))
      tensor.copy_(parameters[expert_name(*own, (own->expert + experts - 1) % experts)]);
  return moved;
}

// Of routers that are 0 all probabilities are equal, so that the first experts are chosen, each by its share:
// one of n by 1/n, two by a half. With the second equal to the first this is a model of one MLP.
struct Even {
  ParameterSet routed, dense;
};

Even even(const Config& step, const Config& dense, const ParameterSet& parameters, const Subject& subject) {
  const at::NoGradGuard no_grad;
  Even pair{parameters.to(at::kCPU, at::kDouble),
            ParameterSet(subject.parameters(dense)).to(at::kCPU, at::kDouble)};
  const double share = step.mlp.experts_top == 1 ? 1 / static_cast<double>(step.mlp.experts) : 1;
  for (const auto& [name, tensor] : pair.routed.by_name()) {
    if (is_router(name)) tensor.zero_();
    const auto own = expert_tensor(name);
    if (!own) continue;
    if (own->expert == 1 && step.mlp.experts_top == 2) tensor.copy_(parameters[expert_name(*own, 0)]);
    const bool last = own->key.starts_with("c_proj");
    if (own->expert == 0) pair.dense[own->mlp + own->key].detach().copy_(tensor * (last ? share : 1));
  }
  for (const auto& [name, tensor] : pair.dense.by_name())
    if (const auto all = parameters.by_name(); all.contains(name))  // mechanism 1 reads u by the same share
      tensor.copy_(all.at(name) * (name.ends_with("mlp.gate_proj.weight") ? share : 1));
  return pair;
}

// The loop's first batch; which samples those are the gate `samples` asks.
Batch first_batch(const Config& c, const Dataset& data) {
  const auto seed = data_seed(c.data, kRoutedSeed);
  return contract_keyed(c, data.samples(seed, 0, c.global_batch(), c.gpt.context), seed, data.vocabulary());
}

bool balance_close(double found, double expected, double most) {
  return std::abs(found - expected) <= most * expected;
}

constexpr const char* kTerm = "expert_balance";

// "" or what the objective says of the balance, where it is not what the plain model finds.
std::string other_balance(const Config& plain, const Subject& subject) {
  const at::NoGradGuard no_grad;
  const auto parameters = random_parameters(subject.parameters(plain), 71).to(at::kCPU, at::kDouble);
  const Batch batch{.inputs = random_tokens(plain, 2, plain.gpt.context, 72),
                    .targets = random_tokens(plain, 2, plain.gpt.context, 73),
                    .samples = {7, 11}};
  const Batch keyed = contract_keyed(plain, batch, kRoutedSeed, audited_mask_token(plain));
  if (keyed.targets.ne(kIgnoreIndex).sum().item<std::int64_t>() == 0) return "";
  const double expected =
      PlainModel(plain, parameters.by_name(), at::kDouble).balance(keyed.inputs).item<double>();
  const auto terms = subject.terms(plain, parameters, batch, kRoutedSeed);
  const auto found = terms.find(kTerm);
  if (found == terms.end()) return str("the objective has no ", kTerm);
  return balance_close(found->second, expected, 1e-9)
             ? ""
             : str("the objective's balance is ", found->second, ", by the contract ", expected);
}

// "" or what the trial's loop does with the balance that it should not.
std::string loses_balance(const Config& plain, const Subject& subject) {
  Config c = plain;
  c.gpt.dropout = c.lora.dropout = 0;
  c.mlp.unshare_at = 0, c.lora.freeze_base_at = 0;
  c.train.batch_size = 2, c.train.accumulation = c.train.log_interval = c.train.eval_samples = 1;
  c.optim.learning_rate = std::max(c.optim.learning_rate, 1e-3);
  c.optim.warmup_steps = std::min<std::int64_t>(c.optim.warmup_steps, 10);
  c.mlp.balance_weight = 0;
  Config balanced = c;
  balanced.mlp.balance_weight = 1;
  const auto data = seeded_data(c);
  const auto without = subject.train(c, kRoutedSeed, data, 1),
             with = subject.train(balanced, kRoutedSeed, data, 1);
  if (!without.finite || !with.finite) return "";  // other gates say so
  if (with.updates.at(0).loss != without.updates.at(0).loss)
    return "the logged loss is another with MLP_BALANCE_WEIGHT";
  std::map<std::string, Tensor> start;
  for (const auto& [name, tensor] : with.start) start[name] = tensor.to(at::kCPU, at::kDouble);
  const at::NoGradGuard no_grad;
  const double expected =
      PlainModel(c, start, at::kDouble).balance(first_batch(c, *data).inputs).item<double>();
  const auto& terms = with.updates.at(0).terms;
  const double found = terms.contains(kTerm) ? terms.at(kTerm) : NAN;
  if (!balance_close(found, expected, c.run.dtype == DType::kFloat32 ? 1e-3 : 5e-2))
    return str("the loop's balance is ", found, ", by the contract ", expected);
  if (c.mlp.experts == c.mlp.experts_top) return "";  // every load is even: the balance is 1, whatever p
  for (const auto& [name, tensor] : with.weights)
    if (is_router(name) && at::equal(tensor, without.weights.at(name)))
      return str("MLP_BALANCE_WEIGHT does not move ", name);
  return "";
}

}  // namespace

ParameterSet with_moved_routers(const ParameterSet& parameters, std::int64_t by) {
  const at::NoGradGuard no_grad;
  auto moved = parameters.to(at::kCPU, at::kDouble);
  for (const auto& [name, tensor] : moved.by_name())
    if (is_router(name)) tensor.copy_(tensor.detach().clone().roll(by, 0));
  return moved;
}

Config with_every_expert(Config config) {
  if (config.mlp.selects()) config.mlp.experts = config.mlp.experts_top = 2;
  return config;
}

bool had_no_token(const Training& training, const std::string& name) {
  const auto own = expert_tensor(name);
  if (!own) return false;
  bool own_moves = false, another_moves = false;
  for (const auto& [moment, tensor] : training.moments) {
    const auto of = moment.starts_with("m.") ? expert_tensor(moment.substr(2)) : std::nullopt;
    if (!of || of->mlp != own->mlp || !tensor.ne(0).any().item<bool>()) continue;
    (of->expert == own->expert ? own_moves : another_moves) = true;
  }
  return another_moves && !own_moves;
}

std::optional<Finding> experts(const Config& given, const Subject& subject) {
  if (!given.mlp.routed() || given.gpt.context < 2) return {};
  Config step = given;
  step.lora.freeze_base_at = 0;
  const Config plain = without_mechanisms(step);
  const auto drawn = random_parameters(subject.parameters(step), 74).to(at::kCPU, at::kDouble);
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 75);
  const auto differs = [&](const Config& config, const ParameterSet& parameters, const Tensor& expected) {
    const at::NoGradGuard no_grad;
    const double gap = relative_difference(subject.logits(config, parameters, tokens, Dropout()), expected);
    return gap <= kExpertRounding ? "" : scientific(gap, 1) + " relative";
  };
  const at::NoGradGuard no_grad;
  const Tensor own = subject.logits(step, drawn, tokens, Dropout());
  if (const auto by = differs(step, renumbered(drawn, step.mlp.experts), own); !by.empty())
    return Finding{false, "experts in another order, with their routers' rows, change the logits by " + by};
  Config dense = step;
  dense.mlp.experts = 0;
  const Even pair = even(step, dense, drawn, subject);
  if (const auto by = differs(step, pair.routed, subject.logits(dense, pair.dense, tokens, Dropout()));
      !by.empty())
    return Finding{false,
                   "of equal probabilities the first experts are not one MLP by their weight, by " + by};
  if (const auto what = other_balance(plain, subject); !what.empty()) return Finding{false, what};
  at::AutoGradMode with_gradients(true);
  if (const auto what = loses_balance(plain, subject); !what.empty()) return Finding{false, what};
  return Finding{true,
                 "their order does not count, ties go to the lower ones, and the loop's balance is the "
                 "contract's and moves the routers"};
}

}  // namespace kablate
