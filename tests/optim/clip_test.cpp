#include "optim/clip.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace kablate {
namespace {

at::Tensor normal(std::uint64_t key, std::int64_t size) {
  auto tensor = at::empty({size});
  fill_normal(key, tensor.mutable_data_ptr<float>(), size);
  return tensor;
}

// Sizes on both sides of a piece and of a lane.
std::vector<at::Tensor> some_tensors() {
  std::vector<at::Tensor> tensors;
  for (const std::int64_t size : {1, 7, 8, 9, 1000, 16383, 16384, 16385, 40000})
    tensors.push_back(normal(static_cast<std::uint64_t>(size), size));
  return tensors;
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copied;
  for (const auto& tensor : tensors) copied.push_back(tensor.clone());
  return copied;
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST(GlobalNorm, IsTheRootOfAllSquares) {
  const auto tensors = some_tensors();
  double sum = 0;
  for (const auto& tensor : tensors)
    for (std::int64_t i = 0; i < tensor.numel(); ++i) sum += std::pow(tensor.const_data_ptr<float>()[i], 2.0);
  EXPECT_NEAR(global_norm(tensors), std::sqrt(sum), 1e-12 * std::sqrt(sum));
  EXPECT_EQ(global_norm({}), 0);
  EXPECT_DOUBLE_EQ(global_norm({at::full({2}, 3e30f), at::full({2}, 4e30f)}),
                   std::sqrt(2 * (3e30f * double{3e30f} + 4e30f * double{4e30f})));
}

TEST(GlobalNorm, HasTheSameBitsOnAnyNumberOfThreads) {
  const auto tensors = some_tensors();
  double norms[2];
  for (const int threads : {1, 2}) {
    const Threads guard(threads);
    norms[threads - 1] = global_norm(tensors);
  }
  EXPECT_EQ(norms[0], norms[1]);
}

TEST(GlobalNorm, ChangesNoBitForATensorOfZeros) {
  auto tensors = some_tensors();
  const double before = global_norm(tensors);
  for (const std::size_t place : {0u, 4u, 9u}) tensors.insert(tensors.begin() + place, at::zeros({20000}));
  EXPECT_EQ(global_norm(tensors), before);
}

TEST(GlobalNorm, IsNotFiniteWhereAnElementIsNot) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const std::int64_t place : {0, 16384, 39999}) {
      auto tensors = some_tensors();
      tensors.back()[place] = bad;
      EXPECT_FALSE(std::isfinite(global_norm(tensors))) << bad << " at " << place;
    }
}

TEST(ClipByNorm, ScalesToTheLimitAndElseKeepsEveryBit) {
  auto tensors = some_tensors();
  const auto before = copies(tensors);
  const double norm = global_norm(tensors);
  for (const double limit : {0.0, norm, 2 * norm}) {
    EXPECT_FALSE(clip_by_norm(tensors, norm, limit));
    for (std::size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(tensors[i].equal(before[i]));
  }
  EXPECT_TRUE(clip_by_norm(tensors, norm, 0.25 * norm));
  EXPECT_NEAR(global_norm(tensors), 0.25 * norm, 1e-7 * norm);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    EXPECT_TRUE(tensors[i].allclose(0.25 * before[i], 1e-6, 0));
}

TEST(ClipElements, CutsEachByItsOwnHistory) {
  auto gradient = at::tensor({3.0f, -3.0f, 1.9f, -1.9f, 100.0f, -100.0f, 0.0f});
  const auto second = at::tensor({2.0f, 2.0f, 2.0f, 2.0f, 0.0f, 0.0f, 0.5f});
  EXPECT_EQ(clip_elements({gradient}, {second}, 2.0), 2);  // limit sqrt(2 x 2) = 2; no limit where v is 0
  EXPECT_TRUE(gradient.equal(at::tensor({2.0f, -2.0f, 1.9f, -1.9f, 100.0f, -100.0f, 0.0f})));
}

TEST(ClipElements, FollowsThePlainLoopAtAnySizeAndNumberOfThreads) {
  for (const int threads : {1, 2}) {
    const Threads guard(threads);
    auto tensors = some_tensors();
    const auto before = copies(tensors);
    std::vector<at::Tensor> second;
    for (const auto& tensor : tensors) second.push_back(normal(77, tensor.numel()).square_());
    const auto counted = clip_elements(tensors, second, 3.0);
    std::int64_t expected = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (std::int64_t j = 0; j < tensors[i].numel(); ++j) {
        const double g = before[i].const_data_ptr<float>()[j], v = second[i].const_data_ptr<float>()[j];
        const double limit = std::sqrt(3.0 * v);
        const bool cut = v > 0 && std::abs(g) > limit;
        expected += cut;
        const double wanted = cut ? std::copysign(limit, g) : g;
        ASSERT_NEAR(tensors[i].const_data_ptr<float>()[j], wanted, cut ? 1e-6 * limit : 0.0)
            << i << ", " << j;
      }
    EXPECT_NEAR(static_cast<double>(counted), static_cast<double>(expected), 1);  // one may lie on the edge
    EXPECT_GT(expected, 10000);
  }
}

TEST(ByTensors, AgreesWithTheLoops) {
  const auto tensors = some_tensors();
  EXPECT_NEAR(global_norm_by_tensors(tensors), global_norm(tensors), 1e-6 * global_norm(tensors));
  auto more = tensors;
  more.insert(more.begin() + 3, at::zeros({100}));
  EXPECT_EQ(global_norm_by_tensors(more), global_norm_by_tensors(tensors));

  std::vector<at::Tensor> second;
  for (const auto& tensor : tensors) {
    second.push_back(normal(77, tensor.numel()).square_());
    second.back()[0] = 0;  // no history, no limit
  }
  const auto a = copies(tensors), b = copies(tensors);
  const auto clipped = clip_elements(a, second, 3.0);
  EXPECT_NEAR(static_cast<double>(clip_elements_by_tensors(b, second, 3.0)), static_cast<double>(clipped), 1);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].allclose(b[i], 1e-6, 0)) << i;
  EXPECT_EQ(global_norm_by_tensors({}), 0);
  EXPECT_EQ(clip_elements_by_tensors({}, {}, 3.0), 0);
}

}  // namespace
}  // namespace kablate
