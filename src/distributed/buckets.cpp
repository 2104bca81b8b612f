#include "distributed/buckets.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/variable.h>

namespace kablate {
namespace {

constexpr std::int64_t kLine = 16;  // floats: gradients begin at a cache line

std::int64_t padded(std::int64_t size) { return (size + kLine - 1) / kLine * kLine; }

}  // namespace

// Called by autograd once a parameter's gradient is complete in a pass.
class GradientBuckets::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientBuckets& buckets, std::size_t member) : buckets_(buckets), member_(member) {}
  void operator()(const at::Tensor&) override {
    if (buckets_.last_pass_) buckets_.take(member_);
  }

 private:
  GradientBuckets& buckets_;
  std::size_t member_;
};

GradientBuckets::GradientBuckets(std::vector<at::Tensor> parameters, Communicator& ranks, std::int64_t bytes)
    : ranks_(ranks) {
  std::vector<std::size_t> some;
  std::int64_t size = 0;
  for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
    TORCH_CHECK(parameter->scalar_type() == at::kFloat, "ranks share gradients of float32");
    const auto own = padded(parameter->numel()) * std::int64_t{sizeof(float)};
    if (!some.empty() && size + own > bytes) make_bucket(std::exchange(some, {})), size = 0;
    some.push_back(members_.size());
    members_.push_back({.parameter = std::move(*parameter), .place = {}});
    size += own;
  }
  if (!some.empty()) make_bucket(std::move(some));
  for (std::size_t i = 0; i < members_.size(); ++i)
    torch::autograd::impl::set_post_acc_grad_hooks(members_[i].parameter, std::make_unique<Hook>(*this, i));
}

GradientBuckets::~GradientBuckets() {
  for (const auto& member : members_)
    torch::autograd::impl::set_post_acc_grad_hooks(member.parameter, nullptr);
}

void GradientBuckets::make_bucket(std::vector<std::size_t> members) {
  std::int64_t size = 0;
  for (const auto i : members) size += padded(members_[i].parameter.numel());
  Bucket bucket{.flat = at::zeros({size}, members_[members.front()].parameter.options().requires_grad(false)),
                .members = std::move(members),
                .missing = 0,
                .sum = nullptr};
  std::int64_t first = 0;
  for (const auto i : bucket.members) {
    auto& member = members_[i];
    member.bucket = buckets_.size();
    member.place = bucket.flat.narrow(0, first, member.parameter.numel()).view(member.parameter.sizes());
    first += padded(member.parameter.numel());
  }
  buckets_.push_back(std::move(bucket));
}

void GradientBuckets::begin_last_pass() {
  for (auto& member : members_) member.taken = false;
  for (auto& bucket : buckets_) bucket.missing = bucket.members.size();
  next_ = 0, last_pass_ = true;
}

void GradientBuckets::take(std::size_t index) {
  auto& member = members_[index];
  TORCH_CHECK(!std::exchange(member.taken, true), "a gradient was complete twice in one pass");
  const at::NoGradGuard no_grad;
  auto& gradient = member.parameter.mutable_grad();
  if (gradient.defined())
    member.place.copy_(gradient);
  else
    member.place.zero_();
  gradient = member.place;
  --buckets_[member.bucket].missing;
  for (; next_ < buckets_.size() && buckets_[next_].missing == 0; ++next_)
    buckets_[next_].sum = ranks_.start_all_reduce_sum(buckets_[next_].flat);
}

void GradientBuckets::finish() {
  last_pass_ = false;
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (!members_[i].taken) take(i);
  for (auto& bucket : buckets_) std::exchange(bucket.sum, nullptr)->wait();
}

}  // namespace kablate
