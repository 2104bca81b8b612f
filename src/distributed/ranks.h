// The ranks of a trial, over messages that a thread of each exchanges.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distributed/communicator.h"
#include "distributed/exchange.h"

namespace kablate {

class Ranks final : public Communicator {
 public:
  explicit Ranks(Exchange::Order order);

  std::int64_t rank() const override { return exchange_.rank(); }
  std::int64_t size() const override { return exchange_.size(); }
  // Tensors are float32, float64 or int64, contiguous, on the CPU.
  void all_reduce_sum(const std::vector<at::Tensor>& tensors) override;
  std::unique_ptr<Sum> start_all_reduce_sum(const at::Tensor& tensor) override;
  std::string text_of(std::int64_t from, const std::string& mine) override;
  void copy_from_first(const std::vector<at::Tensor>& tensors) override;
  void spread(const std::vector<Part>& parts) override;
  double waited_seconds() const override { return waited_seconds_; }

  // Waits for all ranks to get here. Without it a rank that ends counts as lost.
  void finish() { exchange_.finish(); }

 private:
  class Started;
  std::future<void> start(const at::Tensor& tensor);
  void wait(std::future<void>& pending);
  void broadcast(std::int64_t from, void* data, std::size_t bytes);

  Exchange exchange_;
  double waited_seconds_ = 0;
};

// Those that MPI has started this process among. A rank that is lost ends the process with kExitFailed, once
// it has said so. Throws as connect_by_mpi().
std::unique_ptr<Ranks> ranks_by_mpi(std::int64_t ranks, const std::string& host);

}  // namespace kablate
