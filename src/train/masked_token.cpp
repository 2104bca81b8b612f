#include "train/masked_token.h"

#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "config/config.h"
#include "model/draw.h"
#include "model/loss.h"
#include "train/labelled.h"
#include "train/masking.h"

namespace kablate {
namespace {

// The masked positions of a batch, and what the head says there.
struct Masked : Labelled {
  using Labelled::Labelled;

  // A token for each, by draws [M].
  Tensor filled_M(const Tensor& draws_M) const {
    std::vector<Tensor> ids{at::empty({0}, targets_M.options())};
    for_logits(head, [&](std::int64_t first, const Tensor& logits) {
      const Tensor scores = logits.detach().narrow(1, 0, head.never);
      ids.push_back(draw_rows(scores, draws_M.narrow(0, first, logits.size(0))));
    });
    return at::cat(ids);
  }
};

class MaskedToken final : public Objective {
 public:
  MaskedToken(const ObjectiveConfig& objective, const MlpConfig& mlp, std::int64_t mask_token)
      : mlp_(mlp),
        critic_(objective.critic),
        critic_weight_(objective.critic_weight),
        masking_{.rate = objective.mask_rate,
                 .schedule = objective.schedule,
                 .token = mask_token,
                 .fills = objective.critic} {}

  Batch keyed(Batch batch, std::uint64_t seed) const override {
    return masked(std::move(batch), seed, masking_);
  }

  std::vector<double> counts(const Batch& batch) const override {
    const double targets = counted_targets(batch.targets).sum().item<double>();
    std::vector<double> counts{uniform() ? static_cast<double>(batch.inputs.size(0)) : targets};
    add_mlp_counts(mlp_, batch, counts[0], counts);
    if (critic_) counts.insert(counts.end(), 3, targets);
    return counts;
  }

  Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool by_sequence) const override {
    Head head = model.head(batch.inputs, dropout, batch.keep);
    head.never = masking_.token;
    const Masked masked(head, batch);
    Outcome outcome{.terms = {{.name = "loss", .mean = scaled(masked, batch)}}, .by_sequence_B = {}};
    add_mlp_terms(mlp_, model, head, outcome.terms);
    if (critic_) add_critic(model, masked, batch, dropout, outcome.terms);
    if (by_sequence) outcome.by_sequence_B = by_sequences(masked, batch);
    return outcome;
  }

 private:
  bool uniform() const { return masking_.schedule == MaskSchedule::kUniform; }

  // Over sequences: the weights are those of a sum.
  Tensor scaled(const Masked& masked, const Batch& batch) const {
    const Tensor mean = masked.mean();
    if (!uniform() || masked.none()) return mean;
    return mean * (masked.weights_M.sum().item<double>() / static_cast<double>(batch.inputs.size(0)));
  }

  Tensor by_sequences(const Masked& masked, const Batch& batch) const {
    const auto B = batch.inputs.size(0), T = batch.inputs.size(1);
    const Tensor losses_M = masked.losses_M();
    const auto sums = [&](const Tensor& x_M) { return masked.sums_B(x_M, B, T); };
    if (uniform()) return sums(losses_M * masked.weights_M);
    return sums(losses_M) / sums(at::ones_like(losses_M));
  }

  void add_critic(const Gpt& model, const Masked& masked, const Batch& batch, const Dropout& dropout,
                  std::vector<Term>& terms) const {
    Tensor filled_BT = batch.inputs.clone(), changed_M;
    {
      const at::NoGradGuard no_grad;
      const Tensor filled_M = masked.filled_M(rows_of(batch.draws, masked.places_M));
      filled_BT.view({-1}).index_copy_(0, masked.places_M, filled_M);
      changed_M = filled_M.ne(masked.targets_M);
    }
    const Tensor said_BT = model.critic(model.head(filled_BT, dropout, batch.keep).values_BTE),
                 said_M = rows_of(said_BT, masked.places_M), wanted_M = changed_M.to(said_M.scalar_type());
    const auto mean = [&](const Tensor& x_M) { return masked.none() ? x_M.sum() : x_M.mean(); };
    terms.push_back(
        {.name = "critic",
         .mean = mean(at::binary_cross_entropy_with_logits(said_M, wanted_M, {}, {}, at::Reduction::None)),
         .factor = critic_weight_});
    terms.push_back({.name = "critic_accuracy",
                     .mean = mean(said_M.detach().gt(0).eq(changed_M).to(said_M.scalar_type())),
                     .factor = 0});
    terms.push_back({.name = "critic_changed", .mean = mean(wanted_M), .factor = 0});
  }

  MlpConfig mlp_;
  bool critic_;
  double critic_weight_;
  Masking masking_;
};

}  // namespace

std::shared_ptr<const Objective> make_masked_token(const Config& config, std::int64_t mask_token) {
  return std::make_shared<const MaskedToken>(config.objective, config.mlp, mask_token);
}

}  // namespace kablate
