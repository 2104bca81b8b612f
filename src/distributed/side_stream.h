// A stream of a device beside the one that computes: what is begun there goes on while the other computes.
// The CPU has no streams: there all is done at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

namespace kablate {

class SideStream {
 public:
  explicit SideStream(c10::Device device);

  // An end of work on this stream; empty on the CPU.
  using Mark = std::unique_ptr<c10::Event>;

  // Calls `work`, whose operations go to this stream, behind all that the caller's current stream was given
  // so far.
  Mark begin(const std::function<void()>& work) const;
  // What the caller's current stream is given from now on waits for the mark; the caller does not.
  void wait(Mark mark);

  void synchronize() const;  // the caller waits until all that was begun here has ended

  // For how long streams have stood still in wait() so far, as far as they have got.
  double waited_seconds();

 private:
  struct Wait {
    Mark begun, ended;
  };
  c10::Device device_;
  std::optional<c10::Stream> stream_;
  std::vector<Wait> waits_;  // whose length is not known yet
  double waited_seconds_ = 0;
};

}  // namespace kablate
