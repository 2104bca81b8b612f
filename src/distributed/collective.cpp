#include "distributed/collective.h"

#include <algorithm>
#include <utility>

namespace kablate {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 26;  // of one message
constexpr std::size_t kWholeBytes = std::size_t{1}
                                    << 14;  // up to which each rank gets all and sums it itself

}  // namespace

Collectives::Collectives(Transport& transport, std::function<void(std::int64_t)> between)
    : transport_(transport), between_(std::move(between)) {}

void Collectives::wait(Messages& messages) {
  for (std::int64_t tries = 0; !messages.empty(); ++tries) {
    const auto before = messages.size();
    std::erase_if(messages, [](const auto& message) { return message->done(); });
    if (messages.size() < before) tries = 0;
    if (!messages.empty()) between_(tries);
  }
}

void Collectives::send(Messages& messages, std::int64_t to, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const std::byte*>(data);
  for (std::size_t done = 0; done < bytes; done += kMostBytes)
    messages.push_back(transport_.send(to, Channel::kData, at + done, std::min(kMostBytes, bytes - done)));
}

void Collectives::receive(Messages& messages, std::int64_t from, void* data, std::size_t bytes) {
  auto* at = static_cast<std::byte*>(data);
  for (std::size_t done = 0; done < bytes; done += kMostBytes)
    messages.push_back(
        transport_.receive(from, Channel::kData, at + done, std::min(kMostBytes, bytes - done)));
}

// data <- the sum of the ranks' elements: this one's in `data`, the others' received.
template <typename T>
void Collectives::add_received(T* data, std::size_t count) {
  constexpr std::size_t kBlock = 1024;  // which stays in the cache while the ranks' are added to it
  const auto ranks = static_cast<std::size_t>(transport_.size());
  const auto here = static_cast<std::size_t>(transport_.rank());
  const auto* slots = reinterpret_cast<const T*>(scratch_.data());
  T sum[kBlock];
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t size = std::min(kBlock, count - first);
    const auto part = [&](std::size_t rank) { return (rank == here ? data : slots + rank * count) + first; };
    std::copy_n(part(0), size, sum);
    for (std::size_t rank = 1; rank < ranks; ++rank) {
      const T* addend = part(rank);
      for (std::size_t i = 0; i < size; ++i) sum[i] += addend[i];
    }
    std::copy_n(sum, size, data + first);
  }
}

template <typename T>
void Collectives::sum_of(T* data, std::size_t count) {
  const auto size = transport_.size(), here = transport_.rank();
  const auto begin = [&](std::int64_t rank) {
    return count * static_cast<std::size_t>(rank) / static_cast<std::size_t>(size);
  };
  const auto part = [&](std::int64_t rank) { return data + begin(rank); };
  const auto length = [&](std::int64_t rank) { return begin(rank + 1) - begin(rank); };
  const bool whole = count * sizeof(T) <= kWholeBytes;
  const std::size_t own = whole ? count : length(here);
  const auto bytes = static_cast<std::size_t>(size) * own * sizeof(T);
  if (scratch_.size() < bytes) scratch_.resize(bytes);
  Messages messages;
  for (std::int64_t step = 1; step < size; ++step) {  // a different one for each rank, so that none is rushed
    const std::int64_t to = (here + step) % size, from = (here + size - step) % size;
    receive(messages, from, scratch_.data() + static_cast<std::size_t>(from) * own * sizeof(T),
            own * sizeof(T));
    if (whole)
      send(messages, to, data, count * sizeof(T));
    else
      send(messages, to, part(to), length(to) * sizeof(T));
  }
  wait(messages);
  add_received(whole ? data : part(here), own);
  if (whole) return;
  for (std::int64_t step = 1; step < size; ++step) {
    const std::int64_t to = (here + step) % size, from = (here + size - step) % size;
    receive(messages, from, part(from), length(from) * sizeof(T));
    send(messages, to, part(here), own * sizeof(T));
  }
  wait(messages);
}

void Collectives::sum(void* data, Element element, std::size_t count) {
  switch (element) {
    case Element::kFloat:
      return sum_of(static_cast<float*>(data), count);
    case Element::kDouble:
      return sum_of(static_cast<double*>(data), count);
    case Element::kInt64:
      return sum_of(static_cast<std::int64_t*>(data), count);
  }
}

void Collectives::spread(const std::vector<Block>& blocks) {
  Messages messages;
  for (const auto& [data, bytes, owner] : blocks)
    if (owner != transport_.rank())
      receive(messages, owner, data, bytes);
    else
      for (std::int64_t to = 0; to < transport_.size(); ++to)
        if (to != owner) send(messages, to, data, bytes);
  wait(messages);
}

void Collectives::broadcast(std::int64_t root, void* data, std::size_t bytes) {
  spread({{data, bytes, root}});
}

}  // namespace kablate
