// Messages between the memories of the ranks' devices, which device_collectives.h is made of. Who carries
// them is another matter: NCCL (nccl/module.cpp), or the memory of one process in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kablate {

class DeviceMessages {
 public:
  virtual ~DeviceMessages() = default;
  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;

  struct Transfer {
    std::int64_t rank = 0;  // whom it is sent to, or received from
    void* data = nullptr;   // in the device's memory
    std::size_t bytes = 0;  // > 0
  };
  // Puts all of them into the calling thread's current stream, as one work that ends when the last of them
  // has. What one rank sends to another it receives in the same call, in the same order and of the same
  // sizes.
  virtual void exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) = 0;

  // On every rank, once all messages have come. An object that goes without it leaves others waiting.
  virtual void finish() = 0;

  // Why messages that were begun will never end (a network that broke, say), "" as long as none is known of.
  // Any thread may ask.
  virtual std::string fault() = 0;
};

}  // namespace kablate
