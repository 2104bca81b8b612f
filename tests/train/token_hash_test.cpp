#include "train/token_hash.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace kablate {
namespace {

Batch hashed_batch(std::initializer_list<std::initializer_list<std::int64_t>> rows) {
  std::vector<at::Tensor> inputs, targets;
  for (const auto& row : rows) {
    const at::Tensor all = at::tensor(std::vector<std::int64_t>(row), at::kLong);
    inputs.push_back(all.slice(0, 0, all.size(0) - 1)), targets.push_back(all.slice(0, 1));
  }
  return {at::stack(inputs), at::stack(targets), {}};
}

// The recipe of FORMAT.md, byte by byte.
TEST(TokenSum, IsWhatTheFormatSays) {
  std::string bytes;
  const auto add = [&](std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  };
  add(7, 8);
  for (const int token : {1, 2, 2, 70000}) add(static_cast<std::uint64_t>(token), 4);
  std::uint64_t expected = 0;
  std::memcpy(&expected, sha256(bytes).data(), 8);
  EXPECT_EQ(token_sum(hashed_batch({{1, 2, 70000}}), 7), expected);
}

TEST(TokenSum, AddsUpOverPiecesAndSeesPlaces) {
  const auto whole = token_sum(hashed_batch({{1, 2, 3}, {4, 5, 6}}), 0);
  EXPECT_EQ(token_sum(hashed_batch({{1, 2, 3}}), 0) + token_sum(hashed_batch({{4, 5, 6}}), 1), whole);
  EXPECT_NE(token_sum(hashed_batch({{4, 5, 6}, {1, 2, 3}}), 0), whole) << "another order is another batch";
  EXPECT_NE(token_sum(hashed_batch({{1, 2, 3}, {1, 2, 3}}), 0), whole);
  Batch other = hashed_batch({{1, 2, 3}, {4, 5, 6}});
  other.targets = other.targets.clone();
  other.targets[1][1] = 7;
  EXPECT_NE(token_sum(other, 0), whole) << "targets count";
}

TEST(TokenChain, IsRestoredFromItsState) {
  TokenChain a, b;
  EXPECT_EQ(a.digits(), std::string(16, '0'));
  a.add(1);
  b.restore(a.state());
  a.add(2), b.add(2);
  EXPECT_EQ(a.digits(), b.digits());
  EXPECT_EQ(a.digits().size(), 16u);
  TokenChain swapped;
  swapped.add(2), swapped.add(1);
  EXPECT_NE(swapped.digits(), a.digits());
  for (const auto& wrong : {std::string(), std::string(63, '0'), std::string(64, 'g')})
    EXPECT_THROW(b.restore(wrong), WorkError);
  a.restart();
  EXPECT_EQ(a.digits(), TokenChain().digits());
}

}  // namespace
}  // namespace kablate
