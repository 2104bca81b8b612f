#include "distributed/device_ranks.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "distributed/nccl_messages.h"

namespace kablate {
namespace {

std::jthread watch(DeviceMessages& messages, std::function<void(const std::string&)> on_fault) {
  return std::jthread([&messages, on_fault = std::move(on_fault)](const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kBetweenLooks{500};
    std::mutex mutex;
    std::condition_variable_any asked;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      if (const auto why = messages.fault(); !why.empty()) return on_fault(why);
      asked.wait_for(lock, stop, kBetweenLooks, [] { return false; });
    }
  });
}

}  // namespace

class DeviceRanks::Started final : public Communicator::Sum {
 public:
  Started(SideStream& stream, SideStream::Mark end) : stream_(stream), end_(std::move(end)) {}
  void wait() override { stream_.wait(std::move(end_)); }

 private:
  SideStream& stream_;
  SideStream::Mark end_;
};

DeviceRanks::DeviceRanks(Communicator& others, std::unique_ptr<DeviceMessages> messages, c10::Device device,
                         std::function<void(const std::string&)> on_fault)
    : others_(others),
      messages_(std::move(messages)),
      device_(device),
      collectives_(*messages_),
      stream_(device),
      watch_(watch(*messages_, std::move(on_fault))) {}

bool DeviceRanks::on_device(const at::Tensor& tensor) const {
  TORCH_CHECK(tensor.is_contiguous(), "ranks share contiguous tensors; this one has strides ",
              tensor.strides());
  return tensor.device() == device_;
}

std::unique_ptr<Communicator::Sum> DeviceRanks::start_all_reduce_sum(const at::Tensor& tensor) {
  if (!on_device(tensor)) return others_.start_all_reduce_sum(tensor);
  return std::make_unique<Started>(stream_, stream_.begin([&] { collectives_.sum(tensor); }));
}

void DeviceRanks::all_reduce_sum(const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) start_all_reduce_sum(tensor)->wait();
}

void DeviceRanks::copy_from_first(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> elsewhere;
  std::vector<Part> parts;
  for (const auto& tensor : tensors)
    if (on_device(tensor))
      parts.push_back({tensor, /*owner=*/0});
    else
      elsewhere.push_back(tensor);
  others_.copy_from_first(elsewhere);
  spread(parts);
}

void DeviceRanks::spread(const std::vector<Part>& parts) {
  for (const auto& part : parts)
    TORCH_CHECK(on_device(part.elements), "a part to be spread lies on ", part.elements.device());
  if (!parts.empty()) stream_.wait(stream_.begin([&] { collectives_.spread(parts); }));
}

void DeviceRanks::finish() {
  stream_.synchronize();
  watch_ = {};         // a rank that is done with its messages is no fault
  others_.any(false);  // each has what the others sent
  try {
    messages_->finish();
  } catch (const WorkError& fault) {
    log_warning(str("rank ", rank(), ": ", fault.what(), ", after all that it was asked for"));
  }
}

double DeviceRanks::waited_seconds() const {
  const double here = others_.waited_seconds(), stream = stream_.waited_seconds();
  waited_seconds_ += std::max(here - here_, stream - of_stream_);
  here_ = here, of_stream_ = stream;
  return waited_seconds_;
}

std::unique_ptr<DeviceRanks> ranks_by_nccl(Communicator& others, c10::Device device) {
  return std::make_unique<DeviceRanks>(
      others, connect_by_nccl(others, device), device, [rank = others.rank()](const std::string& why) {
        log_error(str("rank ", rank, ": ", why,
                      "; the trial ends here, and goes on from its latest checkpoint when started again"));
        std::_Exit(kExitFailed);
      });
}

}  // namespace kablate
