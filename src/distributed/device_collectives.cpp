#include "distributed/device_collectives.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>

namespace kablate {
namespace {

constexpr std::int64_t kAligned = 16;  // elements: NCCL is slow where data lie across its words of 16 bytes

DeviceMessages::Transfer transfer(std::int64_t rank, const at::Tensor& tensor) {
  return {.rank = rank, .data = tensor.mutable_data_ptr(), .bytes = tensor.nbytes()};
}

}  // namespace

// Each rank sums a part, and sends it to the others: 2 (n - 1) / n of the bytes go out of each and come in.
void DeviceCollectives::sum(const at::Tensor& tensor) const {
  using Transfers = std::vector<DeviceMessages::Transfer>;
  const at::NoGradGuard no_grad;
  const auto size = messages_.size(), here = messages_.rank();
  const at::Tensor flat = tensor.detach().view({-1});
  const auto begin = [&](std::int64_t rank) {
    return rank == size ? flat.numel() : flat.numel() * rank / size / kAligned * kAligned;
  };
  const auto part = [&](std::int64_t rank) {
    return flat.narrow(0, begin(rank), begin(rank + 1) - begin(rank));
  };
  const at::Tensor own = part(here);
  const auto row = (own.numel() + kAligned - 1) / kAligned * kAligned;
  const at::Tensor rows = at::empty({size, row}, own.options());  // by rank; this one's stays empty
  const auto received = [&](std::int64_t rank) { return rows.select(0, rank).narrow(0, 0, own.numel()); };
  Transfers to_owners, from_all, to_all, from_owners;
  for (std::int64_t step = 1; step < size; ++step) {
    const std::int64_t to = (here + step) % size, from = (here + size - step) % size;
    if (const auto theirs = part(to); theirs.numel() > 0) to_owners.push_back(transfer(to, theirs));
    if (const auto theirs = part(from); theirs.numel() > 0) from_owners.push_back(transfer(from, theirs));
    if (own.numel() == 0) continue;
    from_all.push_back(transfer(from, received(from)));
    to_all.push_back(transfer(to, own));
  }
  messages_.exchange(to_owners, from_all);
  const auto addend = [&](std::int64_t rank) { return rank == here ? own : received(rank); };
  const at::Tensor sum = here == 0 || size == 1 ? own : received(0);
  for (std::int64_t rank = 1; rank < size; ++rank) sum.add_(addend(rank));
  if (!sum.is_same(own)) own.copy_(sum);
  messages_.exchange(to_all, from_owners);
}

void DeviceCollectives::spread(const std::vector<Communicator::Part>& parts) const {
  constexpr std::size_t kMost = 1024;  // messages of a rank in one go: NCCL takes 2,048 calls
  const auto in_one_go = std::max<std::size_t>(1, kMost / static_cast<std::size_t>(messages_.size()));
  for (std::size_t first = 0; first < parts.size(); first += in_one_go) {
    std::vector<DeviceMessages::Transfer> sends, receives;
    for (std::size_t i = first; i < std::min(first + in_one_go, parts.size()); ++i) {
      const auto& [elements, owner] = parts[i];
      if (elements.numel() == 0) continue;
      if (owner != messages_.rank())
        receives.push_back(transfer(owner, elements));
      else
        for (std::int64_t to = 0; to < messages_.size(); ++to)
          if (to != owner) sends.push_back(transfer(to, elements));
    }
    messages_.exchange(sends, receives);
  }
}

}  // namespace kablate
