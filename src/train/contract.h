// What a trial must have read and must find, written a second time from the contract and as plainly as can
// be, for those who hold a trial against it: the last look at its weights, and the gates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/config.h"
#include "data/dataset.h"
#include "model/dims.h"

namespace kablate {

// The sequences that an evaluation reads: number ⌊j·w/k⌋ of w for each j of k; k is `samples`, or w where
// that is fewer or `samples` is 0.
std::vector<std::int64_t> contract_numbers(std::int64_t count, std::int64_t samples);

// How many sequences of T tokens a split has, and those of these numbers: of a text the windows that follow
// one another from token 0, as many as have a last target; its lines, where each is a sequence. Of data that
// are made from a seed what the set itself says: their labels are audited apart (audit/labels.cpp).
std::int64_t contract_count(const Dataset& data, Split split, std::int64_t T);
Batch contract_windows(const Config& config, const Dataset& data, Split split,
                       std::span<const std::int64_t> numbers);

// With OBJECTIVE = masked_token the sequences with what is masked in them by `seed` and their numbers, as
// train/masking.h says; any others as they are.
Batch contract_keyed(const Config& config, Batch batch, std::uint64_t seed, std::int64_t mask_token);

// What is said of a batch's targets: the sum of the losses in nats, weighted where they are, and how many
// targets it is, or sequences where each has a rate of its own.
struct ContractLoss {
  double sum = 0, count = 0;
  void add(const ContractLoss& other) { sum += other.sum, count += other.count; }
  double mean() const { return sum / count; }
};
// How many of a batch's labels are the likeliest id, the lowest of equal ones.
std::int64_t contract_right(const Batch& batch, const Tensor& logits_BTV);
// `logits` [B, T, V] of the batch's inputs; float64 sums.
ContractLoss contract_loss(const Config& config, const Batch& batch, const Tensor& logits_BTV,
                           std::int64_t mask_token);

}  // namespace kablate
