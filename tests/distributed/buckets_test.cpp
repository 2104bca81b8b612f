#include "distributed/buckets.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/memory_ranks.h"

namespace kablate {
namespace {

using testing_support::on_ranks;

std::vector<at::Tensor> fresh_parameters() {
  std::vector<at::Tensor> parameters;
  for (const std::int64_t size : {3, 100, 1, 40})
    parameters.push_back(at::arange(size, at::kFloat).mul_(0.1).set_requires_grad(true));
  return parameters;
}

// Rank 1 reaches no parameter 2, and rank 0 none in its first pass that it doesn't reach in its last.
at::Tensor loss_of(const std::vector<at::Tensor>& p, std::int64_t rank, int pass) {
  at::Tensor loss = (p[0] * p[0]).sum() * (1.5 + static_cast<double>(rank)) + p[3].exp().sum() * (pass + 1);
  if (rank == 0) loss = loss + p[2].sum() * 3;
  if (pass == 1) loss = loss + p[1].sin().sum();
  return loss;
}

std::vector<at::Tensor> gradients_of(std::int64_t rank) {
  const auto parameters = fresh_parameters();
  for (int pass = 0; pass < 2; ++pass) loss_of(parameters, rank, pass).backward();
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters)
    gradients.push_back(parameter.grad().defined() ? parameter.grad() : at::zeros_like(parameter));
  return gradients;
}

TEST(GradientBuckets, SumWhatAllPassesOfAllRanksGiveWhateverTheirSize) {
  const auto first = gradients_of(0), second = gradients_of(1);
  for (const std::int64_t bytes : {1, 500, 1 << 20})
    on_ranks(2, [&](Ranks& ranks) {
      const auto parameters = fresh_parameters();
      GradientBuckets buckets(parameters, ranks, bytes);
      for (int update = 0; update < 2; ++update) {
        for (const auto& parameter : parameters) parameter.mutable_grad().reset();
        for (int pass = 0; pass < 2; ++pass) {
          if (pass == 1) buckets.begin_last_pass();
          loss_of(parameters, ranks.rank(), pass).backward();
        }
        buckets.finish();
        for (std::size_t i = 0; i < parameters.size(); ++i)
          EXPECT_TRUE(at::equal(parameters[i].grad(), first[i] + second[i]))
              << "parameter " << i << " in buckets of " << bytes << " bytes, update " << update;
      }
    });
}

// They are begun from the last buckets on, and none waits for the end of the pass.
TEST(GradientBuckets, AreSummedWhileTheBackwardPassGoesOn) {
  struct Noted final : Communicator {
    std::int64_t rank() const override { return 0; }
    std::int64_t size() const override { return 2; }
    void all_reduce_sum(const std::vector<at::Tensor>& tensors) override {
      begun.push_back(tensors.front().numel());
    }
    std::string text_of(std::int64_t, const std::string& mine) override { return mine; }
    void copy_from_first(const std::vector<at::Tensor>&) override {}
    void spread(const std::vector<Part>&) override {}
    std::vector<std::int64_t> begun;
  } ranks;
  const auto a = at::ones({16}).set_requires_grad(true), b = at::ones({32}).set_requires_grad(true);
  GradientBuckets buckets({a, b}, ranks, 1);
  buckets.begin_last_pass();
  std::size_t begun_before_end = 0;
  const auto inner = a * 2;
  inner.register_hook([&](const at::Tensor&) { begun_before_end = ranks.begun.size(); });
  const auto of_a = inner.sum(), of_b = b.sum();  // what was made last is gone through first
  (of_a * of_b).backward();
  EXPECT_EQ(begun_before_end, 1u) << "b's, while a's gradient is not there yet";
  buckets.finish();
  EXPECT_EQ(ranks.begun, (std::vector<std::int64_t>{32, 16}));
}

}  // namespace
}  // namespace kablate
