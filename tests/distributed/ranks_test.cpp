// Sums and copies over ranks, and what happens where one is lost.
#include "distributed/ranks.h"

#include <chrono>
#include <iostream>
#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/core/expect_error.h"
#include "support/engine/memory_ranks.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::expect_error;
using testing_support::memory_order;
using testing_support::MemoryTransport;
using testing_support::MessageBoard;
using testing_support::on_ranks;

unsigned drawn_seed() {
  const unsigned seed = std::random_device{}();
  std::cerr << "seed " << seed << "\n";
  return seed;
}

// Small and large, and lengths that ranks can't share evenly.
TEST(Ranks, SumInTheirOrderWhateverArrivesFirst) {
  const unsigned seed = drawn_seed();
  std::mt19937 draw(seed);
  for (const std::int64_t size : {2, 3, 5})
    for (const std::int64_t length : {1, 7, 4096, 4097, 50'003}) {
      std::vector<at::Tensor> given;
      for (std::int64_t rank = 0; rank < size; ++rank) {
        given.push_back(at::empty({length}));
        for (std::int64_t i = 0; i < length; ++i)
          given.back().mutable_data_ptr<float>()[i] = std::normal_distribution<float>(0, 1e3)(draw);
      }
      at::Tensor expected = given[0].clone();
      for (std::int64_t rank = 1; rank < size; ++rank) expected += given[static_cast<std::size_t>(rank)];
      on_ranks(
          size,
          [&](Ranks& ranks) {
            const at::Tensor sum = given[static_cast<std::size_t>(ranks.rank())].clone();
            const at::Tensor again = sum.clone();
            const auto first = ranks.start_all_reduce_sum(sum), second = ranks.start_all_reduce_sum(again);
            first->wait(), second->wait();
            EXPECT_TRUE(at::equal(sum, expected)) << length << " of rank " << ranks.rank() << " of " << size;
            EXPECT_TRUE(at::equal(again, expected));
          },
          /*most_looks=*/5, seed);
    }
}

TEST(Ranks, GiveTextsAndTensorsOfOneToAll) {
  on_ranks(3, [](Ranks& ranks) {
    const std::string own(static_cast<std::size_t>(ranks.rank()) * 3, 'x');
    EXPECT_THAT(ranks.texts_of_all(own), ElementsAre("", "xxx", "xxxxxx"));
    const at::Tensor tensor = at::full({5}, ranks.rank() + 7, at::kLong);
    ranks.copy_from_first({tensor});
    EXPECT_TRUE(at::equal(tensor, at::full({5}, 7, at::kLong)));
    EXPECT_TRUE(ranks.any(ranks.rank() == 2));
    EXPECT_FALSE(ranks.any(false));
  });
}

// 1e-42 is flushed where ranks compute; their sum must not bring such numbers back.
TEST(Ranks, SumNumbersBelowTheNormalAsZeros) {
  on_ranks(2, [](Ranks& ranks) {
    const at::Tensor sum = at::empty({1});
    const std::uint32_t tiny = 0x000002ca;
    std::memcpy(sum.mutable_data_ptr(), &tiny, sizeof tiny);
    ranks.all_reduce_sum({sum});
    std::uint32_t bits = 1;
    std::memcpy(&bits, sum.const_data_ptr(), sizeof bits);
    EXPECT_EQ(bits, 0u);
  });
}

TEST(Ranks, ThatAreLostAreNamedAndEndTheWait) {
  MessageBoard board;
  std::string lost;
  const LifeLimits limits{.between_seconds = 0.02, .silence_seconds = 0.3};
  std::thread other([&] { Ranks leaves_at_once(memory_order(board, 1, 2, nullptr, limits)); });
  Ranks ranks(memory_order(board, 0, 2, &lost, limits));
  other.join();
  const at::Tensor sum = at::ones({3});
  expect_error<WorkError>([&] { ranks.all_reduce_sum({sum}); }, {"rank 1 of 2", "host1", "no sign of life"});
  EXPECT_THAT(lost, HasSubstr("goes on from its latest checkpoint"));
  expect_error<WorkError>([&] { ranks.finish(); }, {"rank 1 of 2"});
}

// A lid that was closed, a Ctrl-Z.
TEST(LifeSigns, BlameNobodyForTheTimeInWhichTheirOwnProcessStoodStill) {
  using namespace std::chrono_literals;
  MessageBoard board;
  MemoryTransport here(board, 0, 2), there(board, 1, 2);
  const LifeLimits limits{.between_seconds = 0.02, .silence_seconds = 0.2};
  LifeSigns signs(here, {"a", "b"}, limits), others(there, {"a", "b"}, limits);
  others.look(), signs.look();
  std::this_thread::sleep_for(300ms);
  EXPECT_NO_THROW(signs.look());
  EXPECT_THROW(
      for (int i = 0; i < 40; ++i) {
        std::this_thread::sleep_for(10ms);
        signs.look();
      },
      RankLost);
}

}  // namespace
}  // namespace kablate
