// Text from a model of masked tokens: all of it at once, in a few steps (Chang et al. 2022, "MaskGIT", arXiv
// 2202.04200; with a critic that chooses what to draw again, Lezama et al. 2022, "Token-Critic", 2209.04439).
#pragma once

#include <cstdint>
#include <vector>

#include "model/gpt.h"

namespace kablate {

struct UnmaskOptions {
  std::int64_t steps = 12;
  bool by_critic = false;  // what is drawn again the critic says, not the model's own probabilities
  double temperature = 1;  // > 0, of the draws
  std::int64_t top_k = 0;  // draw from the k likeliest; 0 is all
  double top_p = 1;        // then as likeliest.h says; 1 is all
  std::uint64_t seed = 1;
  std::vector<std::int64_t> ids;  // what may be drawn, sorted
  std::int64_t mask_token = 0;
};

// How many of N places are masked again after step i of n: ⌊cos(π/2 · i/n) · N⌋, none after the last.
std::int64_t masked_after(std::int64_t step, std::int64_t steps, std::int64_t places);

// The sequences of which `fill` [B, T] bool says that their places are to be filled; what stands elsewhere in
// tokens [B, T] int64 stays. In each step all masked places are drawn from one pass, and masked_after() of a
// sequence's places are masked again: those of least confidence (ties: the later) among the just drawn, by
// the model's own probability of what was drawn; or by the critic among all that are filled, by its
// probability that a token is right. `keep` as for Gpt::logits, or undefined. `first` is the number of the
// first sequence: a place is drawn by (seed, number, step, place) alone, whatever else is in the batch.
// REQUIRES: a model with a critic, where it is to say.
Tensor unmask(const Gpt& model, const Tensor& tokens_BT, const Tensor& fill_BT, const Tensor& keep_BT,
              std::uint64_t first, const UnmaskOptions& options);

// The steps of which that is made, for who wants to look between them. Without gradients.
class Unmasking {
 public:
  // What it is given must outlive it.
  Unmasking(const Gpt& model, const Tensor& keep_BT, std::uint64_t first, const UnmaskOptions& options);

  // Draws where `masked` says so; gives the probability that the model itself, without temperature and
  // limits, has for what was drawn; -inf elsewhere.
  Tensor draw(Tensor& tokens_BT, const Tensor& masked_BT, std::int64_t step) const;

  // How sure the critic is of each token: 1 less its probability that another should stand there.
  Tensor approval(const Tensor& tokens_BT) const;

 private:
  const Gpt& model_;
  Tensor keep_;
  std::uint64_t first_;
  const UnmaskOptions& options_;
};

// Of the places `among` the counts [B] that are least sure; ties: the later.
Tensor least_sure(const Tensor& sure_BT, const Tensor& among_BT, const Tensor& counts_B);

}  // namespace kablate
