// The ranks that train one model together: each holds the whole model and takes its share of every global
// batch.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual std::int64_t rank() const = 0;  // from 0
  virtual std::int64_t size() const = 0;  // >= 1

  // Replaces each tensor by its sum over the ranks, the same bits on all of them. Every rank calls it with
  // tensors of the same types and shapes in the same order.
  virtual void all_reduce_sum(const std::vector<at::Tensor>& tensors) = 0;
};

// A process on its own: a sum over one rank is what it was.
class OneRank final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void all_reduce_sum(const std::vector<at::Tensor>&) override {}
};

inline Communicator& one_rank() {
  static OneRank instance;  // it has no state
  return instance;
}

}  // namespace kablate
