// Ranks as threads of this process (memory_ranks.h) whose "devices" are its memory, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "distributed/device_ranks.h"
#include "support/engine/memory_ranks.h"

namespace kablate::testing_support {

class MemoryDevices final : public DeviceMessages {
 public:
  MemoryDevices(MessageBoard& board, std::int64_t rank, std::int64_t size) : transport_(board, rank, size) {}
  std::int64_t rank() const override { return transport_.rank(); }
  std::int64_t size() const override { return transport_.size(); }
  void exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    EXPECT_LE(sends.size() + receives.size(), 2048u) << "as many as NCCL takes in one go";
    for (const auto& [to, data, bytes] : sends) {
      EXPECT_GT(bytes, 0u);
      transport_.send(to, Channel::kData, data, bytes);
    }
    for (const auto& [from, data, bytes] : receives) {
      const auto message = transport_.receive(from, Channel::kData, data, bytes);
      while (!message->done()) std::this_thread::yield();
    }
  }
  void finish() override {}
  std::string fault() override { return ""; }

 private:
  MemoryTransport transport_;
};

// work(rank) on a thread for each of `size` ranks, until all have come back.
inline void on_device_ranks(std::int64_t size, const std::function<void(DeviceRanks&)>& work) {
  MessageBoard devices;
  on_ranks(size, [&](Ranks& ranks) {
    DeviceRanks all(ranks, std::make_unique<MemoryDevices>(devices, ranks.rank(), size), c10::kCPU,
                    [](const std::string&) {});
    work(all);
    all.finish();
  });
}

}  // namespace kablate::testing_support
