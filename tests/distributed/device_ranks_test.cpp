// Sums and copies over ranks that have devices: here the devices are this process's memory, and streams do
// all at once. With a GPU, NCCL's messages of one rank, too.
#include "distributed/device_ranks.h"

#include <future>
#include <random>

#include <ATen/ATen.h>
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

TEST(NcclMessages, OfOneRankAreThereWhereAGpuIs) {
  if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch finds no GPU";
  const c10::Device gpu(c10::kCUDA, 0);
  const auto alone = ranks_by_nccl(one_rank(), gpu);
  const at::Tensor sum = at::arange(5, gpu), expected = sum.clone();
  alone->all_reduce_sum({sum});
  alone->copy_from_first({sum});
  EXPECT_TRUE(at::equal(sum, expected));
  EXPECT_GE(alone->waited_seconds(), 0);
  alone->finish();
}

}  // namespace
}  // namespace kablate
