#include "model/pass.h"

#include <limits>

#include <ATen/ATen.h>

#include "base/rng.h"

namespace kablate {

Dropout::Dropout(double probability, std::uint64_t seed, std::vector<std::uint64_t> samples)
    : probability_(probability), seed_(seed), samples_(std::move(samples)) {}

Tensor Dropout::apply(const Tensor& x, const std::string& site) const {
  if (probability_ == 0) return x;
  TORCH_CHECK(static_cast<std::int64_t>(samples_.size()) == x.size(0), "dropout at ", site, ": ",
              samples_.size(), " sample numbers for a batch of ", x.size(0));
  const auto key = stream_key(seed_, "dropout/" + site);
  Tensor mask = at::empty(x.sizes(), at::kFloat);
  const std::int64_t row = x.numel() / x.size(0);
  for (std::size_t b = 0; b < samples_.size(); ++b)
    fill_dropout(key, samples_[b], probability_, static_cast<float>(1 / (1 - probability_)),
                 mask.data_ptr<float>() + static_cast<std::int64_t>(b) * row, row);
  return x * mask.to(x.device(), x.scalar_type());
}

Pass make_pass(std::int64_t T, at::ScalarType dtype, at::Device device, Dropout dropout) {
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const Tensor bias = at::full({T, T}, -std::numeric_limits<double>::infinity(), options).triu(1);
  return {.dtype = dtype, .causal_bias = bias, .dropout = std::move(dropout)};
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Pass& pass) {
  return linear(x, weight, bias, pass.dtype);
}

}  // namespace kablate
