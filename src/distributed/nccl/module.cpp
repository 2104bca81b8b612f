// libkablate_nccl.so: messages between GPUs carried by NCCL. A library of its own, which the program loads
// where ranks train on GPUs, so that it is built without NVIDIA's headers elsewhere (nccl_messages.h). Made
// where a CUDA build of LibTorch lies beside NVIDIA's packages.
#include <nccl.h>

#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "base/error.h"
#include "distributed/device_messages.h"

namespace kablate {
namespace {

std::string describe(const char* what, ncclResult_t result, ncclComm_t communicator) {
  std::string text = std::string("NCCL: ") + what + " failed (" + ncclGetErrorString(result);
  const char* more = ncclGetLastError(communicator);
  if (more != nullptr && *more != '\0') text += std::string("; ") + more;
  return text + ")";
}

void check(ncclResult_t result, const char* what, ncclComm_t communicator = nullptr) {
  if (result != ncclSuccess) throw WorkError(describe(what, result, communicator));
}

// Calls between its begin and its end are one work; an exception between them ends it, too.
class Group {
 public:
  Group() { check(ncclGroupStart(), "ncclGroupStart"); }
  ~Group() {
    if (open_) ncclGroupEnd();
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  void end(ncclComm_t communicator) {
    open_ = false;
    check(ncclGroupEnd(), "ncclGroupEnd", communicator);
  }

 private:
  bool open_ = true;
};

class NcclMessages final : public DeviceMessages {
 public:
  NcclMessages(const std::string& meeting, std::int64_t rank, std::int64_t size, int gpu)
      : rank_(rank), size_(size), gpu_(static_cast<c10::DeviceIndex>(gpu)) {
    ncclUniqueId id{};
    if (meeting.size() != sizeof id) throw WorkError("NCCL: what ranks meet by has another size");
    std::memcpy(&id, meeting.data(), sizeof id);
    const c10::cuda::CUDAGuard here(gpu_);
    check(ncclCommInitRank(&communicator_, static_cast<int>(size), id, static_cast<int>(rank)),
          "ncclCommInitRank");
  }
  // Without finish() something went wrong, and the process is about to end. The communicator is left to that:
  // to abort it may wait for what never comes, while the others take this rank for alive.
  ~NcclMessages() override = default;
  NcclMessages(const NcclMessages&) = delete;
  NcclMessages& operator=(const NcclMessages&) = delete;

  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }

  void exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    if (sends.empty() && receives.empty()) return;
    const c10::cuda::CUDAGuard here(gpu_);
    const auto stream = c10::cuda::getCurrentCUDAStream(gpu_).stream();
    Group group;
    for (const auto& [to, data, bytes] : sends)
      check(ncclSend(data, bytes, ncclUint8, static_cast<int>(to), communicator_, stream), "ncclSend",
            communicator_);
    for (const auto& [from, data, bytes] : receives)
      check(ncclRecv(data, bytes, ncclUint8, static_cast<int>(from), communicator_, stream), "ncclRecv",
            communicator_);
    group.end(communicator_);
  }

  void finish() override {
    const std::lock_guard lock(ending_);
    check(ncclCommDestroy(std::exchange(communicator_, nullptr)), "ncclCommDestroy");
  }

  std::string fault() override {
    const std::lock_guard lock(ending_);
    ncclResult_t result = ncclSuccess;
    if (communicator_ == nullptr || ncclCommGetAsyncError(communicator_, &result) != ncclSuccess) return "";
    return result == ncclSuccess || result == ncclInProgress ? ""
                                                             : describe("a message", result, communicator_);
  }

 private:
  std::int64_t rank_, size_;
  c10::DeviceIndex gpu_;
  std::mutex ending_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace
}  // namespace kablate

extern "C" {
void kablate_nccl_new_meeting(std::string& meeting) {
  ncclUniqueId id{};
  kablate::check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  meeting.assign(reinterpret_cast<const char*>(&id), sizeof id);
}

kablate::DeviceMessages* kablate_nccl_meet(const std::string& meeting, std::int64_t rank, std::int64_t size,
                                           int gpu) {
  return new kablate::NcclMessages(meeting, rank, size, gpu);
}
}
