#include "measure/memory.h"

#include <atomic>

#include <malloc.h>
#include <sys/resource.h>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

namespace kablate {
namespace {

std::atomic<std::int64_t> live_bytes{0}, peak_bytes{0};

// What is freed must know its size: it stands in front of the block, which keeps LibTorch's alignment.
constexpr std::size_t kHeader = c10::gAlignment;

void count(std::int64_t bytes) {
  const std::int64_t live = live_bytes += bytes;
  std::int64_t peak = peak_bytes.load();
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
}

void release(void* block) {
  if (block == nullptr) return;
  char* start = static_cast<char*>(block) - kHeader;
  live_bytes -= *reinterpret_cast<std::int64_t*>(start);
  c10::free_cpu(start);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    char* start = static_cast<char*>(c10::alloc_cpu(bytes + kHeader));
    *reinterpret_cast<std::int64_t*>(start) = static_cast<std::int64_t>(bytes);
    count(static_cast<std::int64_t>(bytes));
    void* block = start + kHeader;
    return {block, block, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

c10::DeviceAllocator* device_allocator(c10::Device device) {
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  TORCH_CHECK(allocator != nullptr, "no memory statistics for device ", device.str());
  return allocator;
}

// Bytes as asked for, blocks of all sizes together.
c10::CachingAllocator::Stat statistics(c10::Device device) {
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto stats = device_allocator(device)->getDeviceStats(index);
  return stats.requested_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
}

}  // namespace

void count_tensor_memory() {
  // glibc gives large blocks back to the system at once; an iteration needs the same ones again, and fresh
  // pages cost a tenth of a small model's time.
  constexpr int kKeptBytes = 1 << 30;
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_TOP_PAD, 1 << 24);
  static CountingAllocator allocator;
  constexpr std::uint8_t kAboveDefault = 1;
  c10::SetCPUAllocator(&allocator, kAboveDefault);
}

std::int64_t tensor_bytes(c10::Device device) {
  if (device.is_cpu()) return live_bytes;
  return statistics(device).current;
}

std::int64_t peak_tensor_bytes_measured(c10::Device device) {
  if (device.is_cpu()) return peak_bytes;
  return statistics(device).peak;
}

void reset_peak_tensor_bytes(c10::Device device) {
  if (device.is_cpu())
    peak_bytes = live_bytes.load();
  else
    device_allocator(device)->resetPeakStats(device.has_index() ? device.index() : c10::DeviceIndex{0});
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace kablate
