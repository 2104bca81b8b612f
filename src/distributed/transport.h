// Messages of bytes between ranks, which collectives (collective.h) are made of. Who carries them is another
// matter: MPI (mpi/module.cpp), or the memory of one process in tests. It knows no LibTorch, as the module of
// MPI is built of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace kablate {

// Messages of one channel from one rank to another are received in the order in which they were sent.
enum class Channel : int { kData = 1, kLife = 2 };

// One thread calls all of it.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;

  // One that was begun; its memory must stay as it is until it is done.
  class Message {
   public:
    virtual ~Message() = default;
    virtual bool done() = 0;  // asks again each time, and moves other messages on as well
  };
  using MessagePtr = std::unique_ptr<Message>;

  // `bytes` <= 2^31 - 1, the same on both sides.
  virtual MessagePtr send(std::int64_t to, Channel channel, const void* data, std::size_t bytes) = 0;
  virtual MessagePtr receive(std::int64_t from, Channel channel, void* data, std::size_t bytes) = 0;

  virtual void finish() = 0;  // on every rank, once all messages are done; none is begun after it
};

}  // namespace kablate
