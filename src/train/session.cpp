#include "train/session.h"

#include "measure/machine.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

NamedParameters named(const ParameterSet& parameters) {
  NamedParameters list;
  for (const auto& spec : parameters.specs()) list.names.push_back(spec.name);
  list.tensors = parameters.tensors();
  return list;
}

}  // namespace

Session::Session(const Config& c, std::int64_t seed, std::shared_ptr<const Dataset> dataset,
                 Communicator& ranks)
    : config(c),
      device(resolve_device(c.run.device)),
      data(std::move(dataset)),
      objective(make_objective(c)),
      parameters(ParameterSet::initialized(model_parameters(c), static_cast<std::uint64_t>(seed))
                     .to(device, at::kFloat)),
      model(config, parameters),
      optimizer(make_optimizer(config.optim, named(parameters))),
      train_step(config, model, parameters, *optimizer, *objective, *data, seed, ranks) {}

}  // namespace kablate
