// Sums and copies over ranks that have devices: here the devices are this process's memory, and streams do
// all at once. With a GPU, NCCL's messages of one rank, too.
#include "distributed/device_ranks.h"

#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "distributed/nccl_messages.h"
#include "support/core/expect_error.h"
#include "support/engine/memory_devices.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing_support::expect_error;
using testing_support::on_device_ranks;
using testing_support::on_ranks;

at::Tensor drawn(std::int64_t length, at::ScalarType type, std::int64_t rank) {
  auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(length * 10 + rank));
  return (at::randn({length}, generator, at::kDouble) * 1e3).to(type);
}

// Fewer elements than ranks, and lengths that ranks can't share evenly.
TEST(DeviceRanks, SumToTheBitsThatMessagesOfTheCpuSumTo) {
  for (const std::int64_t size : {2, 3, 5})
    for (const std::int64_t length : {1, 2, 7, 50'003})
      for (const auto type : {at::kFloat, at::kDouble, at::kLong}) {
        std::vector<at::Tensor> expected(static_cast<std::size_t>(size));
        on_ranks(size, [&](Ranks& ranks) {
          const at::Tensor sum = drawn(length, type, ranks.rank());
          ranks.all_reduce_sum({sum});
          expected[static_cast<std::size_t>(ranks.rank())] = sum;
        });
        on_device_ranks(size, [&](DeviceRanks& ranks) {
          const at::Tensor sum = drawn(length, type, ranks.rank()), again = sum.clone();
          const auto first = ranks.start_all_reduce_sum(sum), second = ranks.start_all_reduce_sum(again);
          first->wait(), second->wait();
          EXPECT_TRUE(at::equal(sum, expected[0]))
              << length << " of " << type << ", rank " << ranks.rank() << " of " << size;
          EXPECT_TRUE(at::equal(again, expected[0]));
        });
      }
}

TEST(DeviceRanks, GiveTextsAndTensorsOfOneToAll) {
  on_device_ranks(3, [](DeviceRanks& ranks) {
    const std::string own(static_cast<std::size_t>(ranks.rank()) * 3, 'x');
    EXPECT_THAT(ranks.texts_of_all(own), ElementsAre("", "xxx", "xxxxxx"));
    const at::Tensor numbers = at::full({5}, ranks.rank() + 7, at::kLong), none = at::empty({0});
    ranks.copy_from_first({numbers, none});
    EXPECT_TRUE(at::equal(numbers, at::full({5}, 7, at::kLong)));
    EXPECT_TRUE(ranks.any(ranks.rank() == 2));
    EXPECT_FALSE(ranks.any(false));
    EXPECT_EQ(ranks.size(), 3);
  });
}

// More than go in one go.
TEST(DeviceRanks, SpreadManyPartsOfEachToAll) {
  constexpr std::int64_t kParts = 1500;
  on_device_ranks(3, [](DeviceRanks& ranks) {
    std::vector<Communicator::Part> parts;
    for (std::int64_t i = 0; i < kParts; ++i)
      parts.push_back({at::full({i % 3}, ranks.rank() * kParts + i, at::kFloat), i % 7 % 3});
    ranks.spread(parts);
    for (std::int64_t i = 0; i < kParts; ++i)
      ASSERT_TRUE(at::equal(parts[static_cast<std::size_t>(i)].elements,
                            at::full({i % 3}, i % 7 % 3 * kParts + i, at::kFloat)))
          << "part " << i << " on rank " << ranks.rank();
  });
}

// Their device holds no numbers, so that a sum which went to it would come back as it was.
TEST(DeviceRanks, SumWhatLiesOnTheCpuByItsOwnMessages) {
  struct Unused final : DeviceMessages {
    std::int64_t rank() const override { return 0; }
    std::int64_t size() const override { return 2; }
    void exchange(const std::vector<Transfer>&, const std::vector<Transfer>&) override { ADD_FAILURE(); }
    void finish() override {}
    std::string fault() override { return ""; }
  };
  on_ranks(2, [](Ranks& ranks) {
    DeviceRanks all(ranks, std::make_unique<Unused>(), c10::kMeta, [](const std::string&) {});
    const at::Tensor sum = at::full({3}, ranks.rank() + 1, at::kLong), copy = sum.clone();
    all.all_reduce_sum({sum});
    EXPECT_TRUE(at::equal(sum, at::full({3}, 3, at::kLong)));
    all.copy_from_first({copy});
    EXPECT_TRUE(at::equal(copy, at::full({3}, 1, at::kLong)));
    all.spread({});
  });
}

TEST(DeviceRanks, SayOnceThatAMessageWillNeverCome) {
  struct Broken final : DeviceMessages {
    std::int64_t rank() const override { return 0; }
    std::int64_t size() const override { return 1; }
    void exchange(const std::vector<Transfer>&, const std::vector<Transfer>&) override {}
    void finish() override {}
    std::string fault() override { return ++asked < 2 ? "" : "a cable was pulled"; }
    std::atomic<int> asked = 0;
  };
  std::promise<std::string> said;
  const DeviceRanks ranks(one_rank(), std::make_unique<Broken>(), c10::kCPU,
                          [&](const std::string& why) { said.set_value(why); });
  EXPECT_EQ(said.get_future().get(), "a cable was pulled");
}

// What a GPU gives that this process's memory doesn't: streams. Ranks are threads that share one GPU, and
// copy.
class CopiedOnAGpu final : public DeviceMessages {
 public:
  struct Board {
    std::mutex mutex;
    std::map<std::pair<std::int64_t, std::int64_t>, std::deque<at::Tensor>> ways;  // from, to
  };
  CopiedOnAGpu(Board& board, std::int64_t rank, std::int64_t size)
      : board_(board), rank_(rank), size_(size) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }
  void exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    for (const auto& send : sends) {
      const at::Tensor copy = bytes_of(send).clone();
      stream().synchronize();
      const std::lock_guard lock(board_.mutex);
      board_.ways[{rank_, send.rank}].push_back(copy);
    }
    for (const auto& receive : receives) {
      at::Tensor sent;
      while (!sent.defined()) {
        const std::lock_guard lock(board_.mutex);
        auto& way = board_.ways[{receive.rank, rank_}];
        if (way.empty()) continue;
        sent = way.front();
        way.pop_front();
      }
      bytes_of(receive).copy_(sent);
      stream().synchronize();  // another thread's stream made `sent`
    }
  }
  void finish() override {}
  std::string fault() override { return ""; }

 private:
  static c10::Stream stream() {
    return c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(c10::Device(c10::kCUDA, 0));
  }
  static at::Tensor bytes_of(const Transfer& one) {
    return at::from_blob(one.data, {static_cast<std::int64_t>(one.bytes)},
                         at::TensorOptions(at::kByte).device(c10::kCUDA, 0));
  }
  Board& board_;
  std::int64_t rank_, size_;
};

TEST(DeviceRanks, OnAGpuSumWhatTheStreamMadeBeforeAndBeforeItGoesOn) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no GPU";
  const c10::Device gpu(c10::kCUDA, 0);
  CopiedOnAGpu::Board board;
  on_ranks(3, [&](Ranks& ranks) {
    DeviceRanks all(ranks, std::make_unique<CopiedOnAGpu>(board, ranks.rank(), 3), gpu,
                    [](const std::string&) {});
    at::Tensor sum = at::full({3, 1'000'003}, static_cast<double>(ranks.rank() + 1), gpu);
    for (int i = 0; i < 20; ++i) sum.add_(1);  // still under way when the sum is begun
    const auto begun = all.start_all_reduce_sum(sum);
    begun->wait();
    const at::Tensor read = sum * 2;
    EXPECT_TRUE(at::equal(read.cpu(), at::full({3, 1'000'003}, 2.0 * (6 + 60)))) << ranks.rank();
    const at::Tensor mine = at::full({5}, ranks.rank(), at::TensorOptions(at::kLong).device(gpu));
    all.copy_from_first({mine});
    EXPECT_TRUE(at::equal(mine.cpu(), at::zeros({5}, at::kLong)));
    EXPECT_GE(all.waited_seconds(), 0);
    all.finish();
  });
}

// What one rank sends to itself goes the way of what it sends to others.
TEST(NcclMessages, OfOneRankReachIt) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no GPU";
  try {
    nccl_module(1);
  } catch (const UserError& fault) {
    GTEST_SKIP() << fault.what();
  }
  const c10::Device gpu(c10::kCUDA, 0);
  const auto messages = connect_by_nccl(one_rank(), gpu);
  const at::Tensor from = at::arange(1000, at::TensorOptions(at::kFloat).device(gpu)),
                   to = at::zeros_like(from);
  messages->exchange({{.rank = 0, .data = from.mutable_data_ptr(), .bytes = from.nbytes()}},
                     {{.rank = 0, .data = to.mutable_data_ptr(), .bytes = to.nbytes()}});
  EXPECT_TRUE(at::equal(to.cpu(), from.cpu()));
  EXPECT_EQ(messages->fault(), "");
  messages->finish();
}

}  // namespace
}  // namespace kablate
