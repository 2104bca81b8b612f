// Pruning against a plain version in float64 that sorts all entries, and what stays 0 from then on.
#include "optim/pruner.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"
#include "config/pruning.h"
#include "every_branch.h"
#include "support/core/expect_error.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

using at::Tensor;
using testing_support::expect_error;

std::vector<double> numbers_of(const Tensor& tensor) {
  const Tensor wide = tensor.detach().to(at::kCPU, at::kDouble).flatten().contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

// The places of the `count` entries that go, by sorting.
std::vector<bool> sorted_out(const Tensor& weight, const Tensor& second, double correction,
                             const Tensor& pruned, std::int64_t count) {
  const auto w = numbers_of(weight), gone = numbers_of(pruned);
  auto score = w;
  for (auto& value : score) value = std::fabs(value);
  if (second.defined()) {
    const auto v = numbers_of(second);
    for (std::size_t i = 0; i < w.size(); ++i) score[i] *= std::sqrt(v[i] / correction);
  }
  std::vector<std::size_t> order(w.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return gone[a] != gone[b] ? gone[a] > gone[b] : score[a] < score[b];
  });
  std::vector<bool> out(w.size());
  for (std::int64_t i = 0; i < count; ++i) out[order[static_cast<std::size_t>(i)]] = true;
  return out;
}

std::vector<bool> flags_of(const Tensor& tensor) {
  std::vector<bool> flags;
  for (const double value : numbers_of(tensor)) flags.push_back(value != 0);
  return flags;
}

TEST(LeastEntries, AreThoseThatSortingGivesWithManyTies) {
  std::mt19937 random(seed_of_this_run());
  for (int trial = 0; trial < 200; ++trial) {
    const std::int64_t n = 1 + static_cast<std::int64_t>(random() % 300);
    const auto draw = [&](int least, int kinds) {
      Tensor tensor = at::empty({n});
      for (std::int64_t i = 0; i < n; ++i)
        tensor.mutable_data_ptr<float>()[i] =
            static_cast<float>(least + static_cast<int>(random() % static_cast<unsigned>(kinds))) / 4;
      return tensor;
    };
    const Tensor weight = draw(-5, 11), second = trial % 2 == 0 ? Tensor() : draw(0, 4);
    Tensor pruned = at::zeros({n}, at::kBool);
    std::int64_t count = 0;
    for (int step = 0; step < 4; ++step) {
      count += static_cast<std::int64_t>(random() % static_cast<unsigned>(n - count + 1));
      const auto expected = sorted_out(weight, second, 0.271, pruned, count);
      pruned = least_entries(weight, second, 0.271, pruned, count);
      ASSERT_EQ(flags_of(pruned), expected) << n << " entries, " << count << " to go";
    }
  }
}

TEST(LeastEntries, OfManyEntriesAreTheSameOnAnyNumberOfThreads) {
  Tensor weight = at::empty({100'000});
  fill_normal(stream_key(seed_of_this_run(), "w"), weight.mutable_data_ptr<float>(), weight.numel());
  const Tensor none = at::zeros({100'000}, at::kBool);
  const Tensor found = least_entries(weight, weight.square(), 1, none, 60'000);
  EXPECT_EQ(flags_of(found), sorted_out(weight, weight.square(), 1, none, 60'000));
}

TEST(LeastEntries, KeepWhatIsNoNumberToTheLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Tensor weight = at::tensor({nan, 3.0f, -inf, 1.0f, nan, 2.0f}), none = at::zeros({6}, at::kBool);
  EXPECT_EQ(flags_of(least_entries(weight, {}, 1, none, 3)), (std::vector<bool>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(flags_of(least_entries(weight, {}, 1, none, 4)), (std::vector<bool>{1, 1, 0, 1, 0, 1}));
}

constexpr std::int64_t kUpdates = 60;

OptimConfig pruning_config(OptimizerKind kind, PruneKind score) {
  OptimConfig config = testing_support::every_branch(kind);
  config.grad_clip = 1.5, config.spam_theta = 50;
  config.prune = {score, 0.7, 6, 48, 3};
  return config;
}

// Two maps that are pruned, one of them with a column that never gets a gradient, and a vector that is not.
struct Pruned {
  OptimConfig config;
  NamedParameters all;
  std::unique_ptr<Optimizer> optimizer;
  Pruner pruner;

  explicit Pruned(const OptimConfig& given, std::uint64_t seed = seed_of_this_run())
      : config(given), all(drawn(seed)), optimizer(make_optimizer(config, all)), pruner(config, maps()) {}

  static NamedParameters drawn(std::uint64_t seed) {
    NamedParameters list;
    const std::vector<std::vector<std::int64_t>> shapes{{7, 9}, {3, 4, 5}, {11}};
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      Tensor tensor = at::empty(shapes[i]);
      fill_normal(stream_key(seed, str("weights/", i)), tensor.mutable_data_ptr<float>(), tensor.numel());
      list.names.push_back(str("tensor.", i));
      list.tensors.push_back(tensor.set_requires_grad(true));
    }
    return list;
  }
  NamedParameters maps() const { return {{all.names[0], all.names[1]}, {all.tensors[0], all.tensors[1]}}; }

  void give_gradients(std::int64_t step) {
    for (std::size_t i = 0; i < all.tensors.size(); ++i) {
      Tensor gradient = at::empty(all.tensors[i].sizes());
      fill_normal(stream_key(static_cast<std::uint64_t>(step), str("gradient/", i)),
                  gradient.mutable_data_ptr<float>(), gradient.numel());
      if (step == 37) gradient.mul_(30);  // a spike
      if (i == 0) gradient.select(1, 2).zero_();
      all.tensors[i].mutable_grad() = gradient;
    }
  }
  UpdateReport update(std::int64_t step) {
    give_gradients(step);
    pruner.mask_gradients();
    return optimizer->step(0.01);
  }
  Tensor moment(const char* which, std::size_t i) const {
    return optimizer->state().at(which + all.names[i]);
  }
  Tensor pruned(std::size_t i) const { return pruner.state().at(kPrunedPrefix + all.names[i]); }
};

class PruningWhileTraining : public testing::TestWithParam<std::tuple<OptimizerKind, PruneKind>> {};

// What is due, written down here for both optimizers: AdamWSPAM resets in updates 13, 25, 37, 49; of 13 to
// 16, 25 to 28 … none prunes.
double due_sparsity(OptimizerKind kind, std::int64_t step) {
  const auto waits = [&](std::int64_t u) {
    return kind == OptimizerKind::kAdamWSpam && u >= 13 && (u - 13) % 12 < 4;
  };
  while (step > 0 && waits(step)) --step;
  if (step < 6) return 0;
  const std::int64_t last = std::min<std::int64_t>(step, 48);
  const double left = 1 - static_cast<double>((last - 6) / 3 * 3) / 42;
  return 0.7 * (1 - left * left * left);
}

TEST_P(PruningWhileTraining, TakesTheLeastEntriesWhenTheyAreDueAndKeepsThemZero) {
  const auto [kind, score] = GetParam();
  Pruned problem(pruning_config(kind, score));
  std::int64_t resets = 0, spikes = 0;
  for (std::int64_t step = 1; step <= kUpdates; ++step) {
    SCOPED_TRACE(step);
    const auto report = problem.update(step);
    resets += report.reset, spikes += report.spike;
    std::vector<std::vector<bool>> expected;
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor& weight = problem.all.tensors[i];
      const Tensor gone = problem.pruned(i);
      for (const Tensor& zero :
           {weight.detach(), weight.grad(), problem.moment("m.", i), problem.moment("v.", i)})
        ASSERT_EQ(zero.masked_select(gone).count_nonzero().item<std::int64_t>(), 0) << "tensor " << i;
      const auto count = static_cast<std::int64_t>(
          std::floor(due_sparsity(kind, step) * static_cast<double>(weight.numel())));
      const double t =
          static_cast<double>(problem.optimizer->state().at("bias_updates").item<std::int64_t>());
      const Tensor second = score == PruneKind::kMoments ? problem.moment("v.", i).clone() : Tensor();
      expected.push_back(sorted_out(weight, second, 1 - std::pow(0.99, t), gone, count));
    }
    const Tensor vector = problem.all.tensors[2].detach().clone();
    problem.pruner.after_update(step, *problem.optimizer);
    for (std::size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(flags_of(problem.pruned(i)), expected[i]) << "tensor " << i;
      ASSERT_EQ(flags_of(problem.all.tensors[i].eq(0)), expected[i]) << "and nothing else is 0";
      for (const char* which : {"m.", "v."})
        ASSERT_EQ(
            problem.moment(which, i).masked_select(problem.pruned(i)).count_nonzero().item<std::int64_t>(),
            0);
    }
    ASSERT_TRUE(at::equal(problem.all.tensors[2], vector)) << "no map";
  }
  EXPECT_EQ(problem.pruner.sparsity(), (44 + 42) / 123.0);  // ⌊0.7·63⌋ and ⌊0.7·60⌋, of float64's 0.7
  const bool spam = kind == OptimizerKind::kAdamWSpam;
  EXPECT_EQ(resets, spam ? 4 : 0);
  EXPECT_EQ(spikes > 0, spam);
}

INSTANTIATE_TEST_SUITE_P(Optimizers, PruningWhileTraining,
                         testing::Combine(testing::Values(OptimizerKind::kAdamW, OptimizerKind::kAdamWSpam),
                                          testing::Values(PruneKind::kMagnitude, PruneKind::kMoments)));

// Clipping is for what trains.
TEST(Pruner, LeavesPrunedEntriesOutOfTheNorm) {
  auto config = pruning_config(OptimizerKind::kAdamW, PruneKind::kMagnitude);
  Pruned problem(config);
  for (std::int64_t step = 1; step <= kUpdates; ++step) {
    problem.give_gradients(step);
    double squares = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      Tensor gradient = problem.all.tensors[i].grad().to(at::kDouble);
      if (i < 2) gradient = gradient.masked_fill(problem.pruned(i), 0);
      squares += gradient.square().sum().item<double>();
    }
    problem.pruner.mask_gradients();
    EXPECT_NEAR(problem.optimizer->step(0.01).grad_norm / std::sqrt(squares), 1, 1e-6) << step;
    problem.pruner.after_update(step, *problem.optimizer);
  }
}

TEST(Pruner, GoesOnFromItsStateAndRefusesAnothers) {
  Pruned first(pruning_config(OptimizerKind::kAdamW, PruneKind::kMagnitude));
  for (std::int64_t step = 1; step <= 20; ++step) {
    first.update(step);
    first.pruner.after_update(step, *first.optimizer);
  }
  auto state = first.pruner.state();
  Pruned second(first.config);
  EXPECT_NO_THROW(second.pruner.check_state(state, 20));
  second.pruner.load_state(state);
  EXPECT_EQ(second.pruner.sparsity(), first.pruner.sparsity());
  EXPECT_TRUE(at::equal(second.pruned(0), first.pruned(0)));
  const auto refused = [&](auto change, std::int64_t updates, std::initializer_list<std::string> parts) {
    auto other = state;
    change(other);
    expect_error<WorkError>([&] { second.pruner.check_state(other, updates); }, parts);
  };
  refused([](auto&) {}, 48, {"pruned.tensor.0", "expected", "after 48 updates"});
  refused([](auto& s) { s.erase("pruned.tensor.1"); }, 20, {"pruned.tensor.1", "is missing"});
  refused([](auto& s) { s["pruned.tensor.2"] = at::zeros({11}, at::kBool); }, 20, {"pruned.tensor.2"});
  refused([](auto& s) { s["pruned.tensor.0"] = at::zeros({9, 7}, at::kBool); }, 20, {"[9, 7]"});
  refused([](auto& s) { s["pruned.tensor.0"] = at::zeros({7, 9}); }, 20, {"Float"});
  refused([](auto& s) { s["pruned.tensor.0"] = at::zeros({7, 9}, at::kBool); }, 20, {"has 0 entries"});
}

TEST(Pruner, IsNothingWhereItIsOff) {
  Pruned problem(pruning_config(OptimizerKind::kAdamW, PruneKind::kNone));
  for (std::int64_t step = 1; step <= 20; ++step) {
    problem.update(step);
    problem.pruner.after_update(step, *problem.optimizer);
  }
  EXPECT_FALSE(problem.pruner.on());
  EXPECT_TRUE(problem.pruner.state().empty());
  EXPECT_EQ(problem.all.tensors[0].count_nonzero().item<std::int64_t>(), 63);
}

}  // namespace
}  // namespace kablate
