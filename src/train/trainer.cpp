#include "train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/text.h"
#include "shape/model_shape.h"
#include "train/evaluator.h"
#include "train/mechanism_log.h"

namespace kablate {
namespace {

std::map<std::string, double> split_terms(const Losses& losses) {
  std::map<std::string, double> terms;
  for (const auto& [name, mean] : losses.train.terms) terms["train_" + name] = mean;
  for (const auto& [name, mean] : losses.validation.terms) terms["val_" + name] = mean;
  return terms;
}

// Whether this update is the first of another stage (at_update()); what is frozen at 1 is so from the start.
bool begins_stage(const Config& config, std::int64_t update) {
  const auto freezes = config.lora.freeze_base_at;
  return update == config.mlp.unshare_at || (update == freezes && freezes > 1);
}

// Whether a stage's model has other parameters, or others that train.
bool is_another(const Config& stage, const Config& other) { return ModelSpec(stage) != ModelSpec(other); }

// Takes the state of pruning out of an optimizer's that it was stored with.
NamedTensors take_pruned(NamedTensors& state) {
  NamedTensors pruned;
  for (auto entry = state.begin(); entry != state.end();)
    if (const auto here = entry++; here->first.starts_with(kPrunedPrefix)) pruned.insert(state.extract(here));
  return pruned;
}

}  // namespace

// The model that has made these updates.
Config Trainer::stage_after(std::int64_t updates) const { return at_update(session_.config, updates); }

Trainer::Trainer(const Config& config, std::int64_t seed, std::shared_ptr<const Dataset> data,
                 Communicator& ranks)
    : ranks_(ranks), session_(config, seed, std::move(data), ranks) {}

void Trainer::begin_with(const NamedTensors& weights) {
  TORCH_CHECK(iteration_ == 0, "weights to start from come after update ", iteration_);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : session_.parameters.by_name())
    if (const auto found = weights.find(name); found != weights.end()) tensor.copy_(found->second);
}

Update Trainer::update() {
  const auto& train = session_.config.train;
  if (begins_stage(session_.config, iteration_ + 1)) {
    for (const auto& tensor : session_.parameters.tensors()) tensor.mutable_grad().reset();
    session_.go_on_with(session_.next(stage_after(iteration_ + 1)));
    all_have_restored();
  }
  const StepResult step = session_.train_step.run(iteration_);
  Update update;
  update.finite = step.update.finite;
  if (!update.finite) return update;
  clipped_elements_ += step.update.clipped_elements;
  spikes_ += step.update.spike;
  resets_ += step.update.reset;
  trained_on_.add(step.tokens);
  update.due = iteration_ % train.log_interval == 0 || iteration_ + 1 == train.max_iters;
  update.row = {.iteration = iteration_,
                .loss = step.loss,
                .grad_norm = step.update.grad_norm,
                .learning_rate = step.update.learning_rate,
                .clipped_elements = clipped_elements_,
                .spikes = spikes_,
                .resets = resets_,
                .tokens = trained_on_.digits(),
                .terms = step.terms};
  if (session_.pruner.on()) update.row.sparsity = session_.pruner.sparsity();
  if (update.due) trained_on_.restart();
  ++iteration_;
  return update;
}

EvaluationRow Trainer::evaluate(const std::function<void()>& between) {
  const Losses losses = kablate::evaluate(session_.config, session_.model, *session_.objective,
                                          *session_.data, session_.device, between, ranks_);
  return {.iteration = iteration_,
          .train_loss = losses.train.loss,
          .val_loss = losses.validation.loss,
          .tokens = losses.tokens,
          .terms = split_terms(losses)};
}

std::vector<MechanismRow> Trainer::observe() const {
  return mechanism_rows(session_.config, session_.model, *session_.data, session_.device, iteration_);
}

bool Trainer::done() const { return iteration_ == session_.config.train.max_iters; }

bool Trainer::evaluation_due() const {
  return done() || (iteration_ > 0 && iteration_ % session_.config.train.eval_interval == 0);
}

TrainerState Trainer::state() const {
  auto of_optimizer = session_.optimizer->state();
  of_optimizer.merge(session_.pruner.state());
  return {.iteration = iteration_,
          .clipped_elements = clipped_elements_,
          .spikes = spikes_,
          .resets = resets_,
          .tokens = trained_on_.state(),
          .weights = session_.parameters.by_name(),
          .optimizer = std::move(of_optimizer)};
}

void Trainer::check(const TrainerState& state) const {
  const auto& train = session_.config.train;
  if (state.iteration < 0 || state.iteration > train.max_iters)
    throw WorkError(str("its iteration is ", state.iteration, ", expected 0 to ", train.max_iters));
  if (state.clipped_elements < 0 || state.spikes < 0 || state.resets < 0)
    throw WorkError("it has a count below 0");
  const Config stage = stage_after(state.iteration);
  // A model never becomes again what it was.
  if (is_another(stage, session_.stage) && state.iteration < iteration_)
    throw WorkError(str("it is of update ", state.iteration,
                        ", before MLP_UNSHARE_AT or LORA_FREEZE_BASE_AT, "
                        "which the model has passed"));
  const ParameterTable table = model_parameters(stage);
  for (const auto& spec : table) {
    const auto found = state.weights.find(spec.name);
    if (found == state.weights.end())
      throw WorkError(str("it has no tensor ", spec.name, ": another model's"));
    const auto& tensor = found->second;
    if (tensor.scalar_type() != at::kFloat || tensor.sizes() != at::IntArrayRef(spec.shape))
      throw WorkError(kablate::str("its tensor ", spec.name, " is ", tensor.scalar_type(), " ",
                                   tensor.sizes(), ", expected Float ", at::IntArrayRef(spec.shape),
                                   ": another model's"));
  }
  if (state.weights.size() != table.size())
    throw WorkError("it has tensors that the model does not have: another model's");
}

void Trainer::all_have_restored() { session_.optimizer->all_have_loaded(); }

void Trainer::restore(const TrainerState& state) {
  check(state);
  TokenChain tokens;
  tokens.restore(state.tokens);
  NamedTensors of_optimizer = state.optimizer;
  const NamedTensors pruned = take_pruned(of_optimizer);
  if (const Config stage = stage_after(state.iteration); is_another(stage, session_.stage)) {
    auto next = session_.next(stage);
    next.pruner.check_state(pruned, state.iteration);
    next.optimizer->load_state(of_optimizer);
    next.pruner.load_state(pruned);
    session_.go_on_with(std::move(next));
  } else {
    session_.pruner.check_state(pruned, state.iteration);
    session_.optimizer->load_state(of_optimizer);
    session_.pruner.load_state(pruned);
  }
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : session_.parameters.by_name()) tensor.copy_(state.weights.at(name));
  iteration_ = state.iteration;
  clipped_elements_ = state.clipped_elements, spikes_ = state.spikes, resets_ = state.resets;
  trained_on_ = tokens;
}

}  // namespace kablate
