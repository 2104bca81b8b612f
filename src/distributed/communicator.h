// The ranks that train one model together: each holds the whole model and takes its share of every global
// batch. Start here in distributed/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

// Every rank calls the same functions in the same order. Where a rank is lost they throw WorkError, or the
// process ends (exchange.h).
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual std::int64_t rank() const = 0;  // from 0
  virtual std::int64_t size() const = 0;  // >= 1

  // Replaces each tensor by its sum over the ranks, r0 + r1 + … in this order: the same bits on all ranks and
  // in every run. Tensors of the same types and shapes on every rank.
  virtual void all_reduce_sum(const std::vector<at::Tensor>& tensors) = 0;

  // The same of one contiguous tensor, which nobody may touch until wait() has come back: it may go on while
  // the caller computes.
  class Sum {
   public:
    virtual ~Sum() = default;
    virtual void wait() = 0;
  };
  virtual std::unique_ptr<Sum> start_all_reduce_sum(const at::Tensor& tensor);

  // What rank `from` gives as `mine`, on every rank.
  virtual std::string text_of(std::int64_t from, const std::string& mine) = 0;
  virtual void copy_from_first(const std::vector<at::Tensor>& tensors) = 0;  // rank 0's, into every rank's

  // A run of elements that one rank knows: contiguous.
  struct Part {
    at::Tensor elements;
    std::int64_t owner = 0;
  };
  // The owners' elements, into every rank's. The same owners and sizes on every rank.
  virtual void spread(const std::vector<Part>& parts) = 0;

  virtual double waited_seconds() const { return 0; }  // that the calling thread has spent in here so far

  bool any(bool here);                                             // whether it is true on some rank
  std::vector<std::string> texts_of_all(const std::string& mine);  // by rank
};

// A process on its own: a sum over one rank is what it was.
class OneRank final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void all_reduce_sum(const std::vector<at::Tensor>&) override {}
  std::string text_of(std::int64_t, const std::string& mine) override { return mine; }
  void copy_from_first(const std::vector<at::Tensor>&) override {}
  void spread(const std::vector<Part>&) override {}
};

inline Communicator& one_rank() {
  static OneRank instance;  // it has no state
  return instance;
}

}  // namespace kablate
