#include "audit/subject.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "data/sample_order.h"
#include "generate/decode.h"
#include "measure/machine.h"
#include "model/gpt.h"
#include "shape/model_shape.h"
#include "train/objective.h"
#include "train/trainer.h"

namespace kablate {
namespace {

Tensor decoded(const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT) {
  const at::NoGradGuard no_grad;
  const Gpt model(config, parameters);
  Decoder decoder(model);
  std::vector<Tensor> rows_BV;
  for (std::int64_t t = 0; t < tokens_BT.size(1); ++t)
    rows_BV.push_back(decoder.step(tokens_BT.select(1, t)));
  return at::stack(rows_BV, 1);
}

CacheBytes cache_after(const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT) {
  const Gpt model(config, parameters);
  Decoder decoder(model);
  for (std::int64_t t = 0; t < tokens_BT.size(1); ++t) decoder.step(tokens_BT.select(1, t));
  return {decoder.cache().bytes_per_token(), decoder.cache().bytes_fixed()};
}

std::map<std::string, Tensor> copies(const ParameterSet& parameters) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : parameters.by_name()) tensors[name] = tensor.detach().clone();
  return tensors;
}

// A GPU that this machine lacks is no reason to refuse the gates.
Training trained(Config config, std::int64_t seed, const std::shared_ptr<const Dataset>& data,
                 std::int64_t updates) {
  if (device_here(config.run.device).is_cpu()) config.run.device = DeviceKind::kCpu;
  Trainer trainer(config, seed, data);
  Training result;
  result.start = copies(trainer.session().parameters);
  for (std::int64_t i = 0; i < updates; ++i) {
    const Update update = trainer.update();
    result.finite = update.finite;
    if (!update.finite) break;
    result.updates.push_back(update.row);
  }
  result.losses = trainer.evaluate();
  result.weights = copies(trainer.session().parameters);
  for (const auto& [name, tensor] : trainer.session().optimizer->state())
    if (name.starts_with("m.") || name.starts_with("v.")) result.moments[name] = tensor.detach().clone();
  return result;
}

// For the vocabulary of random_tokens().
std::shared_ptr<const Objective> objective_of(const Config& config) {
  return make_objective(config, audited_mask_token(config));
}

std::map<std::string, double> terms_of(const Config& config, const ParameterSet& parameters,
                                       const Batch& batch, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const auto objective = objective_of(config);
  std::map<std::string, double> means;
  for (const auto& term :
       objective->run(Gpt(config, parameters), objective->keyed(batch, seed), Dropout()).terms)
    means[term.name] = term.mean.item<double>();
  return means;
}

}  // namespace

Subject program() {
  return {
      .parameters = [](const Config& config) { return model_parameters(config); },
      .initial_values =
          [](const Config& config, std::uint64_t seed) {
            return ParameterSet::initialized(model_parameters(config), seed);
          },
      .logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
                   const Dropout& dropout) { return Gpt(config, parameters).logits(tokens_BT, dropout); },
      .kept_logits =
          [](const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
             const Tensor& keep_BT,
             const Dropout& dropout) { return Gpt(config, parameters).logits(tokens_BT, keep_BT, dropout); },
      .critic =
          [](const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT) {
            const Gpt model(config, parameters);
            return model.critic(model.head(tokens_BT).values_BTE);
          },
      .terms = terms_of,
      .logits_from = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
                        std::int64_t first) { return Gpt(config, parameters).logits_from(first, tokens_BT); },
      .loss =
          [](const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
             const Tensor& targets_BT) {
            Batch batch{.inputs = tokens_BT, .targets = targets_BT};
            if (config.objective.masked()) {
              batch.draws = at::zeros(tokens_BT.sizes(), tokens_BT.options().dtype(at::kDouble));
              if (config.objective.schedule == MaskSchedule::kUniform)
                batch.weights = at::full(tokens_BT.sizes(), 1.0 / static_cast<double>(tokens_BT.size(1)),
                                         tokens_BT.options().dtype(at::kFloat));
            }
            Tensor sum;
            for (const auto& term :
                 objective_of(config)->run(Gpt(config, parameters), batch, Dropout()).terms)
              sum = sum.defined() ? sum + term.factor * term.mean : term.factor * term.mean;
            return sum;
          },
      .decoded_logits = decoded,
      .cache_bytes = cache_after,
      .sample_starts =
          [](const Config& config, std::int64_t seed, std::int64_t num_tokens, std::int64_t count) {
            return SampleOrder(data_seed(config.data, seed), num_tokens, config.gpt.context).starts(0, count);
          },
      .train = trained,
      .optimizer = [](const OptimConfig& config,
                      const NamedParameters& parameters) { return make_optimizer(config, parameters); }};
}

ParameterSet random_parameters(ParameterTable table, std::uint64_t seed) {
  const auto adapters = table.adapters;
  ParameterSet parameters(std::move(table));
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    const auto& spec = parameters.specs()[i];
    Tensor tensor = parameters.tensors()[i];
    const double last = static_cast<double>(spec.shape.back());
    double deviation = spec.shape.size() == 1 ? 0.3 : 1.2 / std::sqrt(last);
    if (spec.name.ends_with(kAdapterUp))  // what an adapter adds is about half of what it is added to
      deviation /= 2 * std::max(1.0, adapters.at(map_name(spec.name)).scale);
    fill_normal(stream_key(seed, "test/" + spec.name), tensor.data_ptr<float>(), tensor.numel());
    tensor.mul_(deviation).add_(spec.mean);
  }
  return parameters;
}

std::int64_t audited_mask_token(const Config& config) {
  return std::max<std::int64_t>(1, config.gpt.vocabulary - 2);
}

Tensor random_tokens(const Config& config, std::int64_t B, std::int64_t T, std::uint64_t seed) {
  const auto key = stream_key(seed, "audit/tokens");
  const auto count =
      static_cast<double>(config.objective.masked() ? audited_mask_token(config) : config.gpt.vocabulary);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < B * T; ++i)
    ids.push_back(static_cast<std::int64_t>(random_uniform(key, static_cast<std::uint64_t>(i)) * count));
  return at::tensor(ids, at::kLong).view({B, T});
}

double relative_difference(const Tensor& a, const Tensor& b) {
  const Tensor wide = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

}  // namespace kablate
