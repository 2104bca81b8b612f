// Sums and copies over ranks, made of messages. A sum is r0 + r1 + … in this order for every element, so that
// its bits hang on the number of ranks alone: not on timing, hosts, or the library under it (which may choose
// among algorithms).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "distributed/transport.h"

namespace kablate {

enum class Element { kFloat, kDouble, kInt64 };

class Collectives {
 public:
  // `between` is called again and again while messages are waited for, with how often in a row nothing was
  // done; it may throw to give up. `transport` must outlive the object.
  Collectives(Transport& transport, std::function<void(std::int64_t)> between);

  // data <- its sum over ranks, on every rank. Each sums a part of a large one, and tells the others: every
  // rank sends and receives 2 (n - 1) / n of it.
  void sum(void* data, Element element, std::size_t count);

  // Bytes that one rank knows, and all shall have.
  struct Block {
    void* data = nullptr;
    std::size_t bytes = 0;
    std::int64_t owner = 0;
  };
  void spread(const std::vector<Block>& blocks);  // in one go; the same owners and sizes on every rank

  // Rank `root`'s bytes to all.
  void broadcast(std::int64_t root, void* data, std::size_t bytes);

 private:
  using Messages = std::vector<Transport::MessagePtr>;
  void wait(Messages& messages);
  void send(Messages& messages, std::int64_t to, const void* data, std::size_t bytes);
  void receive(Messages& messages, std::int64_t from, void* data, std::size_t bytes);
  template <typename T>
  void sum_of(T* data, std::size_t count);
  template <typename T>
  void add_received(T* data, std::size_t count);

  Transport& transport_;
  std::function<void(std::int64_t)> between_;
  std::vector<std::byte> scratch_;
};

}  // namespace kablate
