// Ranks as threads of this process, whose messages go through its memory.
#pragma once

#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "distributed/ranks.h"

namespace kablate::testing_support {

// Where messages lie. What is sent may be received after up to `most_looks` looks, a number drawn for each.
class MessageBoard {
 public:
  explicit MessageBoard(unsigned seed = 1, int most_looks = 0) : draw_(seed), most_looks_(most_looks) {}

  using Way = std::tuple<std::int64_t, std::int64_t, Channel>;  // from, to
  void put(const Way& way, const void* data, std::size_t bytes) {
    const auto* first = static_cast<const char*>(data);
    const std::lock_guard lock(mutex_);
    ways_[way].push_back({std::string(first, bytes), std::uniform_int_distribution(0, most_looks_)(draw_)});
  }
  // The place of a receive among those of its way, which get messages in the order in which they were begun.
  std::int64_t next_place(const Way& way) {
    const std::lock_guard lock(mutex_);
    return places_[way]++;
  }
  bool take(const Way& way, std::int64_t place, void* data, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto& messages = ways_[way];
    if (place != taken_[way] || messages.empty() || messages.front().looks-- > 0) return false;
    if (messages.front().bytes.size() != bytes)
      throw WorkError(
          str("a message of ", messages.front().bytes.size(), " bytes where ", bytes, " are due"));
    std::memcpy(data, messages.front().bytes.data(), bytes);
    messages.erase(messages.begin());
    ++taken_[way];
    return true;
  }

 private:
  struct Sent {
    std::string bytes;
    int looks = 0;
  };
  std::mutex mutex_;
  std::map<Way, std::vector<Sent>> ways_;
  std::map<Way, std::int64_t> places_, taken_;  // receives that were begun, and that have got their message
  std::mt19937 draw_;
  int most_looks_;
};

class MemoryTransport final : public Transport {
 public:
  MemoryTransport(MessageBoard& board, std::int64_t rank, std::int64_t size)
      : board_(board), rank_(rank), size_(size) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }
  MessagePtr send(std::int64_t to, Channel channel, const void* data, std::size_t bytes) override {
    board_.put({rank_, to, channel}, data, bytes);
    return std::make_unique<Asked>([] { return true; });
  }
  MessagePtr receive(std::int64_t from, Channel channel, void* data, std::size_t bytes) override {
    const MessageBoard::Way way{from, rank_, channel};
    return std::make_unique<Asked>(
        [=, this, place = board_.next_place(way)] { return board_.take(way, place, data, bytes); });
  }
  void finish() override {}

 private:
  struct Asked final : Message {
    explicit Asked(std::function<bool()> ask) : ask_(std::move(ask)) {}
    bool done() override { return ask_(); }
    std::function<bool()> ask_;
  };

  MessageBoard& board_;
  std::int64_t rank_, size_;
};

// What a rank is made of; where others are lost, `lost` gets the message.
inline Exchange::Order memory_order(MessageBoard& board, std::int64_t rank, std::int64_t size,
                                    std::string* lost = nullptr, LifeLimits limits = {}) {
  return {.connect = [&board, rank, size] { return std::make_unique<MemoryTransport>(board, rank, size); },
          .begin = [] {},
          .on_lost =
              [lost](const std::string& what) {
                if (lost != nullptr) *lost = what;
              },
          .host = str("host", rank),
          .limits = limits};
}

// work(rank) on a thread for each of `size` ranks, until all have come back.
inline void on_ranks(std::int64_t size, const std::function<void(Ranks&)>& work, int most_looks = 0,
                     unsigned seed = 1) {
  MessageBoard board(seed, most_looks);
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      Ranks ranks(memory_order(board, rank, size));
      work(ranks);
      ranks.finish();
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace kablate::testing_support
