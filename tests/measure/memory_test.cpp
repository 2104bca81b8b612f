#include "measure/memory.h"

#include <algorithm>
#include <sstream>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace kablate {
namespace {

const c10::Device kCpu = at::kCPU;

// Bytes of tensors since the test began.
class TensorMemory : public testing::Test {
 protected:
  static void SetUpTestSuite() { count_tensor_memory(); }
  void SetUp() override { before_ = tensor_bytes(kCpu); }
  std::int64_t live() const { return tensor_bytes(kCpu) - before_; }
  std::int64_t peak() const { return peak_tensor_bytes_measured(kCpu) - before_; }

 private:
  std::int64_t before_ = 0;
};

TEST_F(TensorMemory, CountsWhatIsAliveToTheByte) {
  {
    const at::Tensor a = at::empty({1001}, at::kFloat);
    EXPECT_EQ(live(), 4004);
    const at::Tensor view = a.narrow(0, 3, 5), shared = a;
    EXPECT_EQ(live(), 4004) << "a view has no bytes of its own";
    const at::Tensor b = a.to(at::kDouble);
    EXPECT_EQ(live(), 4004 + 8008);
    const at::Tensor none = at::empty({0, 7});
    EXPECT_EQ(live(), 4004 + 8008);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.const_data_ptr()) % 64, 0u) << "as LibTorch aligns";
  }
  EXPECT_EQ(live(), 0);
}

TEST_F(TensorMemory, FollowsATensorThatGrows) {
  at::Tensor a = at::full({10}, 3, at::kByte);
  a.resize_({1000});
  EXPECT_EQ(live(), 1000);
  EXPECT_EQ(a[9].item<int>(), 3);
}

TEST_F(TensorMemory, PeakIsTheMostSinceTheReset) {
  reset_peak_tensor_bytes(kCpu);
  EXPECT_EQ(peak(), 0);
  const at::Tensor kept = at::empty({100}, at::kByte);
  { const at::Tensor gone = at::empty({5000}, at::kByte); }
  EXPECT_EQ(peak(), 5100);
  EXPECT_EQ(live(), 100);
  reset_peak_tensor_bytes(kCpu);
  EXPECT_EQ(peak(), 100);
}

TEST_F(TensorMemory, CountsOverAllThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      std::vector<at::Tensor> alive;
      for (int i = 0; i < 500; ++i) {
        alive.push_back(at::empty({i % 17}, at::kInt));
        if (i % 3 == 0) alive.erase(alive.begin());
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(live(), 0);
}

TEST(ResidentMemory, IsTheKernelsPeakInBytes) {
  std::vector<char> touched(std::size_t{64} << 20, 'x');
  std::istringstream status(read_text("/proc/self/status"));
  std::int64_t kibibytes = 0;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) std::istringstream(line.substr(6)) >> kibibytes;
  EXPECT_GE(peak_resident_bytes(), std::int64_t{64} << 20);
  EXPECT_NEAR(static_cast<double>(peak_resident_bytes()), 1024.0 * static_cast<double>(kibibytes), 8 << 20);
  EXPECT_EQ(touched[12345], 'x');
}

}  // namespace
}  // namespace kablate
