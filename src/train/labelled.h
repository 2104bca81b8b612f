// The positions of a batch that have a target, where they are few: the head is asked there alone, since the
// others' logits are asked for by nobody.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "model/loss.h"

namespace kablate {

// Rows of [B, T, ...] at places of its B·T positions.
Tensor rows_of(const Tensor& x_BT, const Tensor& places_M);

struct Labelled {
  Tensor places_M, targets_M, weights_M;  // weights_M float64; undefined where all are 1
  Head head;                              // [1, M] beside each other

  Labelled(const Head& all, const Batch& batch);
  bool none() const { return places_M.numel() == 0; }

  // Mean cross entropy, as head_cross_entropy() of the whole batch; of none 0, with a gradient.
  Tensor mean() const;
  Tensor losses_M() const;  // -log p of each, float64
  Tensor said_M() const;    // the likeliest id of each, the lowest of equal ones

  // Σ over each sequence's positions, [B] float64; T as of the batch. Each element is added in their order.
  Tensor sums_B(const Tensor& x_M, std::int64_t B, std::int64_t T) const;
};

// How many labels are said rightly: of all of them, and as the mean over ids, as MAD has it
// (torchmetrics' macro MulticlassAccuracy): of an id that is a label the share said rightly, 0 of one that
// was said and is no label.
class AccuracyTally {
 public:
  void add(const Tensor& said_M, const Tensor& labels_M);
  std::int64_t count() const { return count_; }
  double micro() const;  // REQUIRES: count() > 0, as below
  double macro() const;

 private:
  struct OfId {
    std::int64_t labels = 0, right = 0, said = 0;
  };
  std::vector<OfId> ids_;
  std::int64_t count_ = 0, right_ = 0;
};

}  // namespace kablate
