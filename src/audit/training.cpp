// The trial's own loop, for a few updates in memory: what it reads, what an update does, what an evaluation
// says. Each is held against a few lines written here from the contract, not against the code that trains.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "audit/seeded_data.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "data/sample_order.h"
#include "train/contract.h"
#include "train/token_hash.h"

namespace kablate {
namespace {

constexpr std::int64_t kUpdates = 3, kWindows = 5;
constexpr std::uint64_t kLoopSeed = 1;

// A loop as short as can show what is asked; optimizer, schedule, type and model stay as configured, but that
// the model of its start is that of its end.
Config short_loop(Config c, std::int64_t batch, std::int64_t accumulation) {
  c.train.batch_size = batch, c.train.accumulation = accumulation;
  c.train.log_interval = 1, c.train.eval_samples = kWindows;
  c.mlp.unshare_at = 0;
  if (c.lora.freeze_base_at > 1) c.lora.freeze_base_at = 0;
  c.train.max_iters = std::max(c.train.max_iters, kUpdates + 1);
  return c;
}

double tolerance(const Config& c) { return c.run.dtype == DType::kFloat32 ? 1e-4 : 5e-2; }

bool loss_close(double found, double expected, double most) {
  return std::abs(found - expected) <= most * std::max(std::abs(expected), 1e-3);
}

std::string digits_of(std::initializer_list<std::uint64_t> sums) {
  TokenChain chain;
  for (const auto sum : sums) chain.add(sum);
  return chain.digits();
}

// What iteration i must have read: samples i·B … i·B + B - 1 of the order that the data's seed gives.
std::string contract_tokens(const Config& c, const Dataset& data, std::int64_t seed, std::int64_t iteration) {
  const auto T = c.gpt.context, B = c.global_batch();
  const auto of_data = data_seed(c.data, seed);
  std::vector<std::int64_t> places;  // of a text their first tokens; of sequences that have labels, which
  std::vector<std::uint64_t> numbers;
  for (std::int64_t j = 0; j < B; ++j) {
    numbers.push_back(static_cast<std::uint64_t>(iteration * B + j));
    places.push_back(
        c.data.is_synthetic()
            ? keyed_sequences(of_data, data.num_windows(Split::kTrain, T), numbers.back(), 1)[0]
            : SampleOrder(of_data, streams_of(data).train().size(), T).starts(numbers.back(), 1)[0]);
  }
  Batch batch = c.data.is_synthetic() ? data.windows(Split::kTrain, places, T)
                                      : make_batch(streams_of(data).train(), places, T);
  batch.samples = numbers;
  return digits_of({token_sum(contract_keyed(c, batch, data_seed(c.data, seed), data.vocabulary()), 0)});
}

Batch evaluated_windows(const Config& c, const Dataset& data, Split split) {
  constexpr std::uint64_t kEvaluationSeed = 0;
  const auto numbers = contract_numbers(contract_count(data, split, c.gpt.context), kWindows);
  return contract_keyed(c, contract_windows(c, data, split, numbers), kEvaluationSeed, data.vocabulary());
}

struct Evaluation {
  ContractLoss loss;
  std::int64_t right = 0;  // labels that are the likeliest id
};

// A window at a time.
Evaluation evaluation_of(const Config& c, const Training& trained, const Batch& batch,
                         const Subject& subject) {
  const at::NoGradGuard no_grad;
  ParameterSet parameters(subject.parameters(c));
  for (const auto& [name, tensor] : parameters.by_name()) {
    const auto found = trained.weights.find(name);
    if (found == trained.weights.end()) return {{NAN, 1}};  // what the loop has not trained
    tensor.detach().copy_(found->second);
  }
  Evaluation sum;
  for (std::int64_t b = 0; b < batch.inputs.size(0); ++b) {
    const auto one = [&](const Tensor& x) { return x.defined() ? x.narrow(0, b, 1) : x; };
    const Batch window{
        .inputs = one(batch.inputs), .targets = one(batch.targets), .weights = one(batch.weights)};
    const Tensor logits = subject.logits(c, parameters, window.inputs, Dropout());
    sum.loss.add(contract_loss(c, window, logits, audited_mask_token(c)));
    sum.right += contract_right(window, logits);
  }
  return sum;
}

// "" or how an evaluation has counted labels. Of two ids that are as likely but for rounding it may take
// either.
std::string wrong_accuracy(const Config& c, const EvaluationRow& found, const Evaluation& contract) {
  if (!c.data.is_synthetic()) return "";
  const auto said = found.terms.find("val_accuracy");
  if (said == found.terms.end()) return "it gives no val_accuracy";
  const double expected = static_cast<double>(contract.right) / contract.loss.count,
               most =
                   (c.run.dtype == DType::kFloat32 ? 1.5 : 0.05 * contract.loss.count) / contract.loss.count;
  if (std::abs(said->second - expected) <= most) return "";
  return str("of its labels ", said->second, " are said to be right, its windows say ", expected);
}

// lr·(i+1)/(warmup+1), then half a cosine to the least (spec, section 4).
double contract_rate(const Config& c, std::int64_t i) {
  const double warmup = static_cast<double>(c.optim.warmup_steps),
               last = static_cast<double>(c.train.max_iters);
  const double peak = c.optim.learning_rate, least = c.optim.min_learning_rate, at = static_cast<double>(i);
  if (at < warmup) return peak * (at + 1) / (warmup + 1);
  if (!c.optim.decay_learning_rate || at >= last) return c.optim.decay_learning_rate ? least : peak;
  return least + (peak - least) * (1 + std::cos(std::acos(-1.0) * (at - warmup) / (last - warmup))) / 2;
}

// A weight of 1 with the gradient 1 at every update, beside others: AdamW and AdamWSPAM without a tensor.
class OneNumber {
 public:
  OneNumber(const OptimConfig& config, bool decays) : c_(config), decays_(decays) {}

  double weight() const { return w_; }

  // `count` numbers like this one make the norm.
  void step(double rate, double count) {
    const bool spam = c_.kind == OptimizerKind::kAdamWSpam;
    double g = 1;
    ++update_;
    if (spam && c_.spam_clip && steps_ > 0)
      g = std::min(g, std::sqrt(c_.spam_theta * v_ / (1 - std::pow(c_.beta2, steps_))));
    const double norm = g * std::sqrt(count);
    if (c_.grad_clip > 0 && norm > c_.grad_clip) g *= c_.grad_clip / norm;
    if (spam && c_.spam_reset && update_ > 1 && (update_ - 1) % c_.spam_interval == 0)
      m_ = v_ = 0, steps_ = 0, reset_ = update_;
    if (spam && c_.spam_reset && c_.spam_warmup && reset_ > 0 && update_ - reset_ < c_.spam_warmup_steps)
      rate *= std::max(1e-3, (1 - std::cos(std::acos(-1.0) * static_cast<double>(update_ - reset_) /
                                           static_cast<double>(c_.spam_warmup_steps))) /
                                 2);
    ++steps_;
    if (decays_) w_ -= rate * c_.weight_decay * w_;
    m_ = c_.beta1 * m_ + (1 - c_.beta1) * g, v_ = c_.beta2 * v_ + (1 - c_.beta2) * g * g;
    w_ -= rate * m_ / (1 - std::pow(c_.beta1, steps_)) /
          (std::sqrt(v_ / (1 - std::pow(c_.beta2, steps_))) + c_.epsilon);
  }

 private:
  const OptimConfig& c_;
  bool decays_;
  double w_ = 1, m_ = 0, v_ = 0;
  std::int64_t update_ = 0, steps_ = 0, reset_ = 0;
};

// "" or the first tensor of `b` that `a` has not with the same bits.
std::string unequal_weights(const Training& a, const Training& b) {
  for (const auto& [name, tensor] : b.weights) {
    const auto found = a.weights.find(name);
    if (found == a.weights.end() || !at::equal(found->second, tensor)) return name;
  }
  return "";
}

}  // namespace

std::optional<Finding> samples(const Config& step, const Subject& subject) {
  const Config c = short_loop(step, 2, 2);
  const auto data = seeded_data(c);
  std::string first[2];
  for (const std::int64_t seed : {1, 2}) {
    const auto trained = subject.train(c, seed, data, kUpdates);
    if (!trained.finite) return {};  // it diverges, as the trial will say
    if (std::ssize(trained.updates) != kUpdates)
      return Finding{false, "the loop made another number of updates"};
    first[seed - 1] = trained.updates[0].tokens;
    for (const auto& row : trained.updates)
      if (row.tokens != contract_tokens(c, *data, seed, row.iteration))
        return Finding{false, str("iteration ", row.iteration, " of seed ", seed,
                                  " read other tokens than the samples that are its own")};
  }
  if (c.data.seed == 0 && first[0] == first[1])
    return Finding{false, "seeds 1 and 2 train on the same samples"};
  return Finding{true, str(kUpdates, " iterations of two seeds read the samples that are their own")};
}

std::optional<Finding> evaluation(const Config& step, const Subject& subject) {
  const Config c = short_loop(step, 2, 1);
  const auto data = seeded_data(c);
  const auto trained = subject.train(c, kLoopSeed, data, 1);
  if (!trained.finite || !std::isfinite(trained.losses.val_loss.value_or(0))) return {};
  const Batch of_train = evaluated_windows(c, *data, Split::kTrain),
              of_validation = evaluated_windows(c, *data, Split::kValidation);
  if (trained.losses.tokens != digits_of({token_sum(of_train, 0), token_sum(of_validation, 0)}))
    return Finding{false, "it read other windows than the evenly spaced ones of each split"};
  const Evaluation contract = evaluation_of(c, trained, of_validation, subject);
  const double expected = contract.loss.mean();
  if (!loss_close(trained.losses.val_loss.value_or(NAN), expected, tolerance(c) / 10))
    return Finding{false, str("the validation loss is ", trained.losses.val_loss.value_or(NAN),
                              ", its windows say ", expected)};
  if (const auto fault = wrong_accuracy(c, trained.losses, contract); !fault.empty())
    return Finding{false, fault};
  Config rare = c, often = c;  // without an update, so that only the evaluation could see it
  rare.gpt.dropout = 0, often.gpt.dropout = 0.5;
  if (subject.train(rare, kLoopSeed, data, 0).losses.val_loss !=
      subject.train(often, kLoopSeed, data, 0).losses.val_loss)
    return Finding{false, "dropout changes the validation loss"};
  return Finding{true, str("the loss of ", of_validation.inputs.size(0),
                           " evenly spaced windows of the validation split, without dropout")};
}

std::optional<Finding> updates(const Config& step, const Subject& subject) {
  constexpr double kLeastRate = 1e-3;  // a weight of 1 must be able to move in float32
  Config quick = step;
  quick.optim.learning_rate = std::max(step.optim.learning_rate, kLeastRate);
  quick.optim.warmup_steps = std::min<std::int64_t>(step.optim.warmup_steps, 10);
  quick.mlp.balance_weight = 0;  // it is of a piece, and of four another
  const Config whole = short_loop(quick, 4, 1), pieces = short_loop(quick, 1, 4);
  const auto data = seeded_data(whole);
  const auto one = subject.train(whole, kLoopSeed, data, kUpdates),
             four = subject.train(pieces, kLoopSeed, data, 1);
  if (!one.finite || !four.finite) return {};
  const auto &a = one.updates.at(0), &b = four.updates.at(0);
  for (const auto& [what, in_one, in_four] :
       {std::tuple{"loss", a.loss, b.loss}, std::tuple{"gradient norm", a.grad_norm, b.grad_norm}})
    if (!loss_close(in_four.value_or(NAN), in_one.value_or(NAN), tolerance(whole)))
      return Finding{false, str("accumulated over 4 pieces the ", what, " is ", in_four.value_or(NAN),
                                ", of the same batch at once ", in_one.value_or(NAN))};
  const bool resets = whole.optim.kind == OptimizerKind::kAdamWSpam && whole.optim.spam_reset &&
                      whole.optim.spam_interval < kUpdates;
  for (const auto& row : one.updates)
    if (!resets && !loss_close(row.learning_rate.value_or(NAN), contract_rate(whole, row.iteration), 1e-12))
      return Finding{false, str("the learning rate of iteration ", row.iteration, " is ",
                                row.learning_rate.value_or(NAN), ", the schedule says ",
                                contract_rate(whole, row.iteration))};
  std::set<std::string> frozen;
  for (const auto& spec : subject.parameters(step))
    if (!spec.trained) frozen.insert(spec.name);
  for (const auto& [name, start] : one.start) {
    if (step.gpt.context == 1) break;
    const bool moved = !at::equal(start, one.weights.at(name));
    if (!moved && had_no_token(one, name)) continue;
    if (moved == frozen.contains(name))
      return Finding{false, str(name, moved ? " is frozen and moved in " : " has not moved after ", kUpdates,
                                " updates")};
  }
  return Finding{true, str("4 pieces give the loss and gradient of one, rates follow the schedule, all ",
                           one.start.size() - frozen.size(), " tensors move",
                           frozen.empty() ? "" : str(", the ", frozen.size(), " frozen ones do not"))};
}

// Every element gets the same gradient, so that every tensor must move alike, but for decay, which only maps
// have, or all with ADAM_DECAY_ALL.
std::optional<Finding> optimizer(const Config& step, const Subject& subject) {
  const auto table = subject.parameters(step);
  NamedParameters named;
  double count = 0;
  for (const auto& spec : table) {
    named.names.push_back(spec.name);
    named.tensors.push_back(at::ones(spec.shape, at::kFloat).set_requires_grad(true));
    count += static_cast<double>(spec.count());
  }
  const auto own = subject.optimizer(step.optim, named);
  OneNumber of_maps(step.optim, true), of_vectors(step.optim, false);
  for (std::int64_t i = 0; i < kUpdates + 1; ++i) {
    const double rate = contract_rate(step, i);
    for (auto& tensor : named.tensors) tensor.mutable_grad() = at::ones_like(tensor);
    static_cast<void>(own->step(rate));
    of_maps.step(rate, count), of_vectors.step(rate, count);
  }
  constexpr double kOverflowing = 1e30;  // of float32, whose largest number is 3e38
  if (!(std::abs(of_maps.weight()) < kOverflowing && std::abs(of_vectors.weight()) < kOverflowing))
    return {};  // it diverges, as the trial will say
  for (std::size_t i = 0; i < named.tensors.size(); ++i) {
    const bool decays = step.optim.decay_all || (named.tensors[i].dim() >= 2 && !is_bias(named.names[i]));
    const double expected = (decays ? of_maps : of_vectors).weight();
    const double moved = 1 - expected;
    const double off = (named.tensors[i].detach().to(at::kDouble) - expected).abs().max().item<double>();
    if (!(off <= 1e-4 * std::abs(moved) + 1e-6))
      return Finding{false, str(named.names[i], " ends ", scientific(off, 1),
                                " from where the optimizer's equations put it, of ", scientific(moved, 1))};
  }
  return Finding{true, str(kUpdates + 1, " updates move all ", named.tensors.size(),
                           " tensors as the optimizer's equations do")};
}

// The step with the weights of its mechanisms 0 trains as the step without them, to the bit.
std::optional<Finding> twin_training(const Config& step, const Subject& subject) {
  const auto on = mechanisms_on(step);
  if (on.empty()) return {};
  Config zero = short_loop(step, 2, 2);
  const Config off = without_mechanisms(zero);
  for (const auto* mechanism : on) mechanism->weight(zero) = 0;
  const auto data = seeded_data(off);
  const auto twin = subject.train(zero, kLoopSeed, data, kUpdates),
             plain = subject.train(off, kLoopSeed, data, kUpdates);
  for (std::size_t i = 0; i < plain.updates.size(); ++i) {
    if (twin.updates.at(i).tokens != plain.updates[i].tokens)
      return Finding{false, str("with weights 0 it reads other samples from iteration ", i, " on")};
    if (twin.updates.at(i).loss != plain.updates[i].loss)
      return Finding{false, str("with weights 0 it has another loss from iteration ", i, " on")};
  }
  if (twin.losses.val_loss != plain.losses.val_loss || twin.losses.tokens != plain.losses.tokens)
    return Finding{false, "with weights 0 it ends with another validation loss"};
  if (const auto name = unequal_weights(twin, plain); !name.empty())
    return Finding{false, str("with weights 0, ", name, " ends with other values")};
  return Finding{true, str("with weights 0 it trains as without mechanisms for ", kUpdates,
                           " updates and an evaluation, to the bit")};
}

}  // namespace kablate
