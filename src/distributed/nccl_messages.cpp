#include "distributed/nccl_messages.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "distributed/module.h"

namespace kablate {

std::filesystem::path nccl_module(std::int64_t ranks) {
  constexpr const char* kName = "libkablate_nccl.so";
  const auto module = find_module(kName);
  if (!module.empty()) return module;
  throw UserError(
      str("RANKS = ", ranks, " on GPUs: this program was built without NCCL (there is no ",
          (program_folder() / kName).string(),
          "), which it finds beside the CUDA build of LibTorch's Python package alone (docs/ranks.md); "
          "build with that, or set DEVICE to cpu, or RANKS to 1"));
}

std::unique_ptr<DeviceMessages> connect_by_nccl(Communicator& others, c10::Device device) {
  const auto module = nccl_module(others.size());
  const auto asked_by = str("RANKS = ", others.size(), " on GPUs");
  const auto new_meeting =
      reinterpret_cast<NewMeeting>(load_from_module(module, "kablate_nccl_new_meeting", asked_by));
  const auto meet = reinterpret_cast<Meet>(load_from_module(module, "kablate_nccl_meet", asked_by));
  std::string meeting;
  if (others.rank() == 0) new_meeting(meeting);
  return std::unique_ptr<DeviceMessages>(
      meet(others.text_of(0, meeting), others.rank(), others.size(), device.index()));
}

}  // namespace kablate
