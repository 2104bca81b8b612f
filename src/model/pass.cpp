#include "model/pass.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "model/adapter.h"
#include "model/dropout_mask.h"

namespace kablate {

Dropout::Dropout(double probability, std::uint64_t seed, std::vector<std::uint64_t> samples)
    : probability_(probability), seed_(seed), samples_(std::move(samples)) {}

Dropout Dropout::of_samples(const Tensor& samples_B) const {
  if (!samples_B.defined()) return *this;
  const auto* first = samples_B.const_data_ptr<std::int64_t>();
  return {probability_, seed_, std::vector<std::uint64_t>(first, first + samples_B.numel())};
}

std::uint64_t Dropout::stream(const std::string& site) const { return stream_key(seed_, "dropout/" + site); }

void Dropout::check_samples(std::int64_t batch, const std::string& site) const {
  TORCH_CHECK(static_cast<std::int64_t>(samples_.size()) == batch, "dropout at ", site, ": ", samples_.size(),
              " sample numbers for a batch of ", batch);
}

Tensor Dropout::apply(const Tensor& x, const std::string& site) const {
  if (probability_ == 0) return x;
  check_samples(x.size(0), site);
  const auto key = stream(site);
  if (!x.is_cpu()) {
    const Tensor kept = kept_by_dropout(key, samples_, probability_, x.numel() / x.size(0), x.device());
    return x * kept.view(x.sizes()).to(x.scalar_type()).mul_(1 / (1 - probability_));
  }
  Tensor mask = at::empty(x.sizes(), at::kFloat);
  const std::int64_t row = x.numel() / x.size(0);
  at::parallel_for(0, x.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = begin; b < end; ++b)
      fill_dropout(key, samples_[static_cast<std::size_t>(b)], probability_,
                   static_cast<float>(1 / (1 - probability_)), mask.data_ptr<float>() + b * row, row);
  });
  return x * mask.to(x.scalar_type());
}

Tensor Span::visible(std::int64_t T, const at::TensorOptions& options) const {
  const Tensor ones_1TT = at::ones({1, T, T}, options);
  const Tensor seen_1TT = causal ? ones_1TT.tril() : ones_1TT;
  return keep_BT.defined() ? seen_1TT * keep_BT.unsqueeze(1).to(seen_1TT.scalar_type()) : seen_1TT;
}

Tensor Span::bias(std::int64_t T, const at::TensorOptions& options) const {
  if (bias_BTT.defined()) return bias_BTT.to(options.dtype());
  const auto none = -std::numeric_limits<double>::infinity();
  const auto plain = options.requires_grad(false);
  const Tensor bias_TT = causal ? at::full({T, T}, none, plain).triu(1) : at::zeros({T, T}, plain);
  if (!keep_BT.defined()) return bias_TT.unsqueeze(0);
  const Tensor self_TT = at::eye(T, plain.dtype(at::kBool));
  return bias_TT.masked_fill(keep_BT.logical_not().unsqueeze(1).logical_and(self_TT.logical_not()), none);
}

bool Pass::may_recompute() const {
  return recomputes && observations == nullptr && at::GradMode::is_enabled();
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Pass& pass) {
  return linear(x, weight, bias, pass.dtype);
}

Tensor linear(const Tensor& x, const LinearMap& map, const Pass& pass) {
  if (!map.adapted()) return linear(x, map.weight, map.bias, pass);
  const Tensor in = x.to(pass.dtype);
  const Tensor read = pass.dropout.of(map.adapter.dropout).apply(in, map.adapter.site);
  return adapted(in, read, map, pass.dtype);
}

}  // namespace kablate
