// Moments that ranks share: the bits of one rank that has them all.
#include "optim/share.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/rng.h"
#include "base/text.h"
#include "every_branch.h"
#include "optim/clip.h"
#include "optim/optimizer.h"
#include "optim/pruner.h"
#include "support/engine/memory_ranks.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

using testing_support::on_ranks;

constexpr std::int64_t kSharedUpdates = 40, kStoredAfter = 17;  // where they go on from what they stored

// Parameters of one piece or several (kNormPiece), drawn.
struct Drawn {
  std::uint32_t seed = seed_of_this_run();
  std::vector<std::vector<std::int64_t>> shapes;

  Drawn() {
    std::mt19937 random(seed);
    std::uniform_int_distribution<std::int64_t> rows(1, 700), columns(1, 300), kind(0, 2);
    for (int i = 0; i < 8; ++i) {
      if (const auto drawn = kind(random); drawn == 0)
        shapes.push_back({columns(random)});
      else
        shapes.push_back({rows(random), drawn == 1 ? columns(random) : 64});
    }
  }

  std::int64_t elements() const {
    std::int64_t sum = 0;
    for (const auto& shape : shapes) sum += c10::multiply_integers(shape);
    return sum;
  }
  at::Tensor values(std::size_t i, const std::string& what) const {
    at::Tensor tensor = at::empty(shapes[i]);
    fill_normal(stream_key(seed, str(what, "/", i)), tensor.mutable_data_ptr<float>(), tensor.numel());
    return tensor;
  }
  NamedParameters parameters() const {
    NamedParameters list;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      list.names.push_back(str("tensor.", i));
      list.tensors.push_back(values(i, "weights").set_requires_grad(true));
    }
    return list;
  }
};

OptimConfig sharing_config(OptimizerKind kind, PruneKind prune, const Drawn& drawn) {
  OptimConfig config = testing_support::every_branch(kind);
  config.grad_clip = 0.3 * std::sqrt(static_cast<double>(drawn.elements()));  // cuts about half of them
  config.spam_theta = 5;
  config.prune = {prune, 0.7, 6, 36, 3};
  return config;
}

struct Trained {
  std::vector<UpdateReport> reports;
  std::vector<at::Tensor> weights;
  std::map<std::string, at::Tensor> state, stored;
};

Trained trained(const Drawn& drawn, const OptimConfig& config, Communicator& ranks) {
  Trained result;
  const NamedParameters parameters = drawn.parameters();
  auto optimizer = make_optimizer(config, parameters, ranks);
  Pruner pruner(config, {{parameters.names[1]}, {parameters.tensors[1]}});
  for (std::int64_t update = 1; update <= kSharedUpdates; ++update) {
    for (std::size_t i = 0; i < parameters.tensors.size(); ++i)
      parameters.tensors[i].mutable_grad() =
          drawn.values(i, str("gradient ", update)).mul_(update == 30 ? 20 : 0.3);
    pruner.mask_gradients();
    result.reports.push_back(optimizer->step(0.01 * static_cast<double>(1 + update % 3)));
    pruner.after_update(update, *optimizer);
    if (update != kStoredAfter) continue;
    for (const auto& [name, tensor] : optimizer->state()) result.stored[name] = tensor.clone();
    optimizer = make_optimizer(config, parameters, ranks);
    optimizer->load_state(result.stored);
    // Not collective yet: the first rank alone asks, as it does before it tells the others.
    if (ranks.rank() == 0) {
      for (const auto& [name, tensor] : optimizer->state())
        EXPECT_TRUE(at::equal(tensor, result.stored.at(name))) << name;
    }
  }
  for (const auto& tensor : parameters.tensors) result.weights.push_back(tensor.detach());
  result.state = optimizer->state();
  optimizer->load_state(result.state);
  optimizer->all_have_loaded();
  for (const auto& [name, tensor] : optimizer->state())
    EXPECT_TRUE(at::equal(tensor, result.state.at(name))) << name << ", gathered again";
  return result;
}

void expect_same(const Trained& one, const Trained& other) {
  for (std::size_t i = 0; i < one.reports.size(); ++i) {
    SCOPED_TRACE(str("update ", i + 1));
    const auto &a = one.reports[i], &b = other.reports[i];
    EXPECT_EQ(std::tie(a.finite, a.grad_norm, a.learning_rate, a.norm_clipped, a.clipped_elements, a.spike,
                       a.reset),
              std::tie(b.finite, b.grad_norm, b.learning_rate, b.norm_clipped, b.clipped_elements, b.spike,
                       b.reset));
  }
  for (std::size_t i = 0; i < one.weights.size(); ++i)
    EXPECT_TRUE(at::equal(one.weights[i], other.weights[i])) << i;
  ASSERT_EQ(one.state.size(), other.state.size());
  for (const auto& [name, tensor] : one.state) EXPECT_TRUE(at::equal(tensor, other.state.at(name))) << name;
  for (const auto& [name, tensor] : one.stored) EXPECT_TRUE(at::equal(tensor, other.stored.at(name))) << name;
}

class SharedMoments : public testing::TestWithParam<std::tuple<OptimizerKind, PruneKind>> {};

void expect_bits_of_one_rank(const Drawn& drawn, OptimizerKind kind, PruneKind prune) {
  SCOPED_TRACE(str("seed ", drawn.seed));
  const auto config = sharing_config(kind, prune, drawn);
  const Trained alone = trained(drawn, config, one_rank());
  std::int64_t clipped = 0, spikes = 0, norm_clips = 0;
  for (const auto& report : alone.reports)
    clipped += report.clipped_elements, spikes += report.spike, norm_clips += report.norm_clipped;
  EXPECT_GT(norm_clips, 0);
  const bool spam = config.kind == OptimizerKind::kAdamWSpam;
  EXPECT_TRUE(!spam || (clipped > 0 && spikes > 0)) << "all branches";
  for (const std::int64_t size : {2, 3, 5}) {
    SCOPED_TRACE(str(size, " ranks"));
    std::vector<Trained> ranks(static_cast<std::size_t>(size));
    on_ranks(size, [&](Ranks& here) {
      ranks[static_cast<std::size_t>(here.rank())] = trained(drawn, config, here);
    });
    for (const auto& one : ranks) expect_same(alone, one);
  }
}

TEST_P(SharedMoments, GiveTheBitsOfOneRank) {
  const auto [kind, prune] = GetParam();
  expect_bits_of_one_rank({}, kind, prune);
}

TEST_P(SharedMoments, AlsoWhereSomeRanksHaveNone) {
  const auto [kind, prune] = GetParam();
  Drawn drawn;
  drawn.shapes = {{3}, {20, 30}, {5, 7}};
  expect_bits_of_one_rank(drawn, kind, prune);
}

INSTANTIATE_TEST_SUITE_P(Both, SharedMoments,
                         testing::Combine(testing::Values(OptimizerKind::kAdamW, OptimizerKind::kAdamWSpam),
                                          testing::Values(PruneKind::kNone, PruneKind::kMagnitude,
                                                          PruneKind::kMoments)));

// As where tensors lie on devices: each is one rank's, and the norm has the bits that all of them give at
// once.
TEST(Share, OfWholeTensorsGivesTheNormOfAll) {
  const Drawn drawn;
  SCOPED_TRACE(str("seed ", drawn.seed));
  const auto parameters = drawn.parameters().tensors;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) gradients.push_back(parameter.detach() * 3 - 0.5);
  const double expected = global_norm_by_tensors(gradients);
  for (const std::int64_t size : {2, 3, 7})
    on_ranks(size, [&](Ranks& here) {
      const Share share(parameters, here, /*whole_tensors=*/true);
      const auto own = share.own(gradients);
      for (std::size_t i = 0; i < own.size(); ++i)
        EXPECT_EQ(own[i].numel(), parameters[share.members()[i]].numel());
      EXPECT_EQ(share.global_norm(own), expected) << "rank " << here.rank() << " of " << size;
    });
}

// Each element is one rank's, and no rank has much more than its part.
TEST(Share, IsAboutAsLargeOnEveryRank) {
  const Drawn drawn;
  SCOPED_TRACE(str("seed ", drawn.seed));
  const auto parameters = drawn.parameters().tensors;
  const auto total = drawn.elements();
  for (const std::int64_t size : {2, 3, 7}) {
    std::vector<at::Tensor> count(
        static_cast<std::size_t>(size));  // of one rank: 1 where an element is its own
    on_ranks(size, [&](Ranks& here) {
      const Share share(parameters, here);
      std::vector<at::Tensor> marks;
      for (const auto& parameter : parameters) marks.push_back(at::zeros_like(parameter).detach());
      std::int64_t own = 0;
      for (const auto& part : share.own(marks)) part.fill_(1), own += part.numel();
      EXPECT_LE(own, total / size + kNormPiece) << size << " ranks";
      std::vector<at::Tensor> flat;
      for (const auto& mark : marks) flat.push_back(mark.view({-1}));
      count[static_cast<std::size_t>(here.rank())] = at::cat(flat);
    });
    EXPECT_TRUE(at::equal(at::stack(count).sum(0), at::ones({total}))) << size << " ranks";
  }
}

}  // namespace
}  // namespace kablate
