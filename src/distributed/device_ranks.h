// The ranks of a trial whose tensors lie on devices: those go from device to device; texts, and tensors on
// the CPU, by the ranks' messages, which also hear whether the others are there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "distributed/communicator.h"
#include "distributed/device_collectives.h"
#include "distributed/device_messages.h"
#include "distributed/side_stream.h"

namespace kablate {

class DeviceRanks final : public Communicator {
 public:
  // `others` must outlive the object. Where messages of devices will never end, `on_fault` is called once
  // with the reason, on a thread of its own; it should end the process, since nothing else ends the wait.
  DeviceRanks(Communicator& others, std::unique_ptr<DeviceMessages> messages, c10::Device device,
              std::function<void(const std::string&)> on_fault);

  std::int64_t rank() const override { return others_.rank(); }
  std::int64_t size() const override { return others_.size(); }
  void all_reduce_sum(const std::vector<at::Tensor>& tensors) override;
  std::unique_ptr<Sum> start_all_reduce_sum(const at::Tensor& tensor) override;
  std::string text_of(std::int64_t from, const std::string& mine) override {
    return others_.text_of(from, mine);
  }
  void copy_from_first(const std::vector<at::Tensor>& tensors) override;
  void spread(const std::vector<Part>& parts) override;
  void finish();  // waits for all ranks to get here; the last call that concerns devices
  // Of what this process and the device's stream waited between two calls the longer one: they wait at the
  // same time. The stream as far as it has got.
  double waited_seconds() const override;

 private:
  class Started;
  bool on_device(const at::Tensor& tensor) const;

  Communicator& others_;
  std::unique_ptr<DeviceMessages> messages_;
  c10::Device device_;
  DeviceCollectives collectives_;
  mutable SideStream stream_;
  mutable double here_ = 0, of_stream_ = 0, waited_seconds_ = 0;
  std::jthread watch_;
};

// Over NCCL, each rank with a device of its own. Throws UserError where the program has no module of NCCL,
// WorkError where NCCL finds no way (two ranks on one GPU, for one); collective. A fault ends the process
// with kExitFailed.
std::unique_ptr<DeviceRanks> ranks_by_nccl(Communicator& others, c10::Device device);

}  // namespace kablate
