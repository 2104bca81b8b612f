#include "train/session.h"

#include <cstring>

#include <ATen/core/grad_mode.h>

#include "data/sample_order.h"
#include "measure/machine.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

template <typename Predicate>
NamedParameters those(const ParameterSet& parameters, Predicate of_them) {
  NamedParameters list;
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    if (!of_them(parameters.specs()[i])) continue;
    list.names.push_back(parameters.specs()[i].name);
    list.tensors.push_back(parameters.tensors()[i]);
  }
  return list;
}

NamedParameters trained(const ParameterSet& parameters) {
  return those(parameters, [](const Parameter& spec) { return spec.trained; });
}

NamedParameters prunable(const ParameterSet& parameters) {
  return those(parameters, [](const Parameter& spec) { return spec.prunable(); });
}

}  // namespace

Session::Session(const Config& c, std::int64_t seed, std::shared_ptr<const Dataset> dataset,
                 Communicator& ranks)
    : config(c),
      stage(at_update(c, 0)),
      device(resolve_device(c.run.device)),
      data(as_trained_on(std::move(dataset), data_seed(c.data, seed))),
      objective(make_objective(c, data->vocabulary())),
      parameters(ParameterSet::initialized(model_parameters(stage), static_cast<std::uint64_t>(seed))
                     .to(device, at::kFloat)),
      model(stage, parameters),
      sharers(c.run.shard_moments ? ranks : one_rank()),
      optimizer(make_optimizer(config.optim, trained(parameters), sharers)),
      pruner(config.optim, prunable(parameters)),
      train_step(config, model, parameters, *optimizer, pruner, *objective, *data, seed, ranks) {}

Session::Stage Session::next(const Config& config_of_stage) const {
  const ParameterTable table = model_parameters(config_of_stage);
  const auto& uses = parameters.uses();
  const auto origin = [&](const std::string& name) {
    const auto use = uses.find(name);
    return use == uses.end() ? name : use->second;
  };
  ParameterSet copies = ParameterSet(table).to(device, at::kFloat);
  Pruner next_pruner(config.optim, prunable(copies));
  Stage result{config_of_stage, std::move(copies), nullptr, std::move(next_pruner)};
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : result.parameters.by_name()) tensor.copy_(parameters[name]);
  const std::map<std::string, at::Tensor> before = optimizer->state();
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : before)
    if (!name.starts_with("m.") && !name.starts_with("v.")) state[name] = tensor;
  for (const auto& spec : table)
    for (const char* moment : spec.trained ? std::vector{"m.", "v."} : std::vector<const char*>{})
      state[moment + spec.name] = before.at(moment + origin(spec.name));
  result.optimizer = make_optimizer(config.optim, trained(result.parameters), sharers);
  result.optimizer->load_state(state);
  const std::map<std::string, at::Tensor> pruned_before = pruner.state();
  std::map<std::string, at::Tensor> pruned;
  for (const auto& [name, tensor] : result.pruner.state())
    pruned[name] = pruned_before.at(kPrunedPrefix + origin(name.substr(std::strlen(kPrunedPrefix))));
  result.pruner.load_state(pruned);
  return result;
}

void Session::go_on_with(Stage next) {
  stage = std::move(next.config);
  parameters = std::move(next.parameters);
  model = Gpt(stage, parameters);
  optimizer = std::move(next.optimizer);
  pruner = std::move(next.pruner);
  train_step.go_on_with(*optimizer);
}

}  // namespace kablate
