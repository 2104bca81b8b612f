#include "train/follow.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/json.h"
#include "base/stop_signal.h"
#include "base/text.h"

namespace kablate {
namespace {

// Names, types and shapes: what a rank needs to make room for tensors.
Json describe_tensors(const NamedTensors& tensors) {
  Json list = Json::array();
  for (const auto& [name, tensor] : tensors)
    list.push_back({name, static_cast<int>(tensor.scalar_type()), tensor.sizes().vec()});
  return list;
}

NamedTensors room_for(const Json& list) {
  NamedTensors tensors;
  for (const auto& entry : list)
    tensors[entry.at(0).get<std::string>()] = at::empty(entry.at(2).get<std::vector<std::int64_t>>(),
                                                        static_cast<at::ScalarType>(entry.at(1).get<int>()));
  return tensors;
}

void send_from_first(const NamedTensors& tensors, Communicator& ranks) {
  std::vector<Tensor> list;
  for (const auto& [name, tensor] : tensors) list.push_back(tensor.detach().cpu().contiguous());
  ranks.copy_from_first(list);
}

}  // namespace

void throw_if_some_rank_stops(Communicator& ranks) {
  if (ranks.any(stop_requested())) throw Interrupted(kRanksStopped);
}

SharedSave::SharedSave(const Trainer& trainer, Communicator& ranks)
    : trainer_(trainer),
      ranks_(ranks),
      shared_(ranks.size() > 1 && trainer.session().config.run.shard_moments) {}

bool SharedSave::due(bool first_says) {
  return shared_ ? ranks_.any(ranks_.rank() == 0 && first_says) : ranks_.rank() == 0 && first_says;
}

std::optional<TrainerState> SharedSave::state() {
  if (!shared_ && ranks_.rank() > 0) return {};
  if (shared_ && taken_at_ == trainer_.iteration()) return {};
  taken_at_ = trainer_.iteration();
  return trainer_.state();
}

void share_state(Trainer& trainer, Communicator& ranks) {
  if (ranks.size() == 1) return;
  TrainerState state;
  if (ranks.rank() == 0) state = trainer.state();
  const Json here{{"iteration", state.iteration},
                  {"clipped_elements", state.clipped_elements},
                  {"spikes", state.spikes},
                  {"resets", state.resets},
                  {"tokens", state.tokens},
                  {"weights", describe_tensors(state.weights)},
                  {"optimizer", describe_tensors(state.optimizer)}};
  const Json first = Json::parse(ranks.text_of(0, here.dump()));
  if (ranks.rank() > 0)
    state = {.iteration = first.at("iteration"),
             .clipped_elements = first.at("clipped_elements"),
             .spikes = first.at("spikes"),
             .resets = first.at("resets"),
             .tokens = first.at("tokens"),
             .weights = room_for(first.at("weights")),
             .optimizer = room_for(first.at("optimizer"))};
  send_from_first(state.weights, ranks);
  send_from_first(state.optimizer, ranks);
  if (ranks.rank() > 0) trainer.restore(state);
  trainer.all_have_restored();
}

void check_same_weights(const Trainer& trainer, Communicator& ranks) {
  if (ranks.size() == 1) return;
  const at::NoGradGuard no_grad;
  std::int64_t sum = 0;  // of the weights' bits
  for (const auto& tensor : trainer.session().parameters.tensors())
    sum += tensor.detach().view(at::kInt).sum(at::kLong).item<std::int64_t>();
  const std::string own = std::to_string(sum);
  if (ranks.any(ranks.text_of(0, own) != own))
    throw WorkError(str("the ranks' weights are no longer the same after iteration ", trainer.iteration(),
                        ": their machines compute differently; the trial ends here. Ranks need processors "
                        "and libraries of one kind"));
}

void follow(Trainer& trainer, Communicator& ranks) {
  SharedSave save(trainer, ranks);
  try {
    while (true) {
      if (trainer.evaluation_due()) {
        if (trainer.done()) save.state();
        check_same_weights(trainer, ranks);
        const auto losses = trainer.evaluate([&] { throw_if_some_rank_stops(ranks); });
        if (!std::isfinite(*losses.train_loss) || !std::isfinite(*losses.val_loss) || trainer.done()) return;
        save.state();
      } else if (save.due(false)) {
        save.state();
      }
      throw_if_some_rank_stops(ranks);
      if (!trainer.update().finite) return;
    }
  } catch (const Interrupted&) {
    save.state();
    throw;
  }
}

}  // namespace kablate
