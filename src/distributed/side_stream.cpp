#include "distributed/side_stream.h"

#include <utility>

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace kablate {
namespace {

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

// Where `stream` is now, with the time.
SideStream::Mark mark(const c10::Stream& stream) {
  auto here = std::make_unique<c10::Event>(stream.device_type(), c10::EventFlag::BACKEND_DEFAULT);
  here->record(stream);
  return here;
}

}  // namespace

SideStream::SideStream(c10::Device device) : device_(device) {
  if (!device.is_cpu()) stream_ = c10::impl::VirtualGuardImpl(device.type()).getNewStream(device);
}

SideStream::Mark SideStream::begin(const std::function<void()>& work) const {
  if (!stream_) {
    work();
    return nullptr;
  }
  mark(current_stream(device_))->block(*stream_);
  const c10::StreamGuard on_this(*stream_);
  work();
  return mark(*stream_);
}

void SideStream::wait(Mark end) {
  if (!stream_) return;
  const auto current = current_stream(device_);
  Wait wait{.begun = mark(current), .ended = nullptr};
  end->block(current);
  wait.ended = mark(current);
  waits_.push_back(std::move(wait));
  constexpr std::size_t kMost = 1024;  // where nobody asks how long they took
  if (waits_.size() > kMost) waited_seconds();
}

void SideStream::synchronize() const {
  if (stream_) stream_->synchronize();
}

double SideStream::waited_seconds() {
  constexpr double kMilliseconds = 1000;
  std::erase_if(waits_, [&](const Wait& wait) {
    if (!wait.ended->query()) return false;
    waited_seconds_ += wait.begun->elapsedTime(*wait.ended) / kMilliseconds;
    return true;
  });
  return waited_seconds_;
}

}  // namespace kablate
