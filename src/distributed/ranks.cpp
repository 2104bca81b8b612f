#include "distributed/ranks.h"

#include <cstdlib>
#include <utility>

#include <ATen/Context.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "distributed/mpi_transport.h"

namespace kablate {
namespace {

Element element_of(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(),
              "ranks share contiguous tensors on the CPU; this one is on ", tensor.device(), " with strides ",
              tensor.strides());
  if (tensor.scalar_type() == at::kFloat) return Element::kFloat;
  if (tensor.scalar_type() == at::kDouble) return Element::kDouble;
  TORCH_CHECK(tensor.scalar_type() == at::kLong, "ranks don't sum tensors of ", tensor.scalar_type());
  return Element::kInt64;
}

}  // namespace

class Ranks::Started final : public Communicator::Sum {
 public:
  Started(Ranks& ranks, const at::Tensor& tensor) : ranks_(ranks), pending_(ranks.start(tensor)) {}
  void wait() override { ranks_.wait(pending_); }

 private:
  Ranks& ranks_;
  std::future<void> pending_;
};

Ranks::Ranks(Exchange::Order order)
    : exchange_([&] {
        // Numbers below 1e-38 are 0 in a sum over ranks as they are in any other (make_deterministic).
        order.begin = [] { at::globalContext().setFlushDenormal(true); };
        return std::move(order);
      }()) {}

std::future<void> Ranks::start(const at::Tensor& tensor) {
  const auto element = element_of(tensor);
  return exchange_.ask([tensor, element](Collectives& collectives) {
    collectives.sum(tensor.mutable_data_ptr(), element, static_cast<std::size_t>(tensor.numel()));
  });
}

void Ranks::wait(std::future<void>& pending) {
  const Stopwatch watch;
  exchange_.wait(pending);
  waited_seconds_ += watch.seconds();
}

void Ranks::all_reduce_sum(const std::vector<at::Tensor>& tensors) {
  std::vector<std::future<void>> pending;
  for (const auto& tensor : tensors) pending.push_back(start(tensor));
  for (auto& sum : pending) wait(sum);
}

std::unique_ptr<Communicator::Sum> Ranks::start_all_reduce_sum(const at::Tensor& tensor) {
  return std::make_unique<Started>(*this, tensor);
}

void Ranks::broadcast(std::int64_t from, void* data, std::size_t bytes) {
  auto pending = exchange_.ask([=](Collectives& collectives) { collectives.broadcast(from, data, bytes); });
  wait(pending);
}

std::string Ranks::text_of(std::int64_t from, const std::string& mine) {
  std::uint64_t size = mine.size();
  broadcast(from, &size, sizeof size);
  std::string text = rank() == from ? mine : std::string(size, '\0');
  broadcast(from, text.data(), text.size());
  return text;
}

void Ranks::copy_from_first(const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) {
    TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(), "ranks share contiguous tensors on the CPU");
    broadcast(0, tensor.mutable_data_ptr(), tensor.nbytes());
  }
}

void Ranks::spread(const std::vector<Part>& parts) {
  std::vector<Collectives::Block> blocks;
  for (const auto& [elements, owner] : parts) {
    TORCH_CHECK(elements.is_cpu() && elements.is_contiguous(), "ranks share contiguous tensors on the CPU");
    blocks.push_back({elements.mutable_data_ptr(), elements.nbytes(), owner});
  }
  auto pending = exchange_.ask([=](Collectives& collectives) { collectives.spread(blocks); });
  wait(pending);
}

std::unique_ptr<Ranks> ranks_by_mpi(std::int64_t ranks, const std::string& host) {
  return std::make_unique<Ranks>(Exchange::Order{.connect = [ranks] { return connect_by_mpi(ranks); },
                                                 .begin = [] {},
                                                 .on_lost =
                                                     [](const std::string& what) {
                                                       log_error(what);
                                                       std::_Exit(kExitFailed);
                                                     },
                                                 .host = host,
                                                 .limits = {}});
}

}  // namespace kablate
