#include "model/autoencoder.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace kablate {
namespace {

// [B, 1, E]
Tensor last_state(const Tensor& x_BTE, const Span& span) {
  const auto T = x_BTE.size(1);
  if (!span.keep_BT.defined()) return x_BTE.narrow(1, T - 1, 1);
  const Tensor last_B = span.keep_BT.to(at::kLong).mul(at::arange(1, T + 1, span.keep_BT.device())).argmax(1);
  return x_BTE.gather(1, last_B.view({-1, 1, 1}).expand({-1, 1, x_BTE.size(2)}));
}

}  // namespace

Tensor place_codes(std::int64_t T, std::int64_t E, const at::TensorOptions& options) {
  const auto half = E / 2;
  const Tensor i = at::arange(half, options.dtype(at::kDouble)),
               rates = i.mul(-std::log(1e4) / static_cast<double>(std::max<std::int64_t>(half - 1, 1))).exp();
  const Tensor angles = at::outer(at::arange(T, rates.options()), rates);
  return at::cat({angles.sin(), angles.cos(), at::zeros({T, E % 2}, rates.options())}, 1);
}

AutoencoderDecoder::AutoencoderDecoder(const ModelSpec& spec, const ParameterSet& parameters)
    : norm_1_(parameters, "decoder.ln_1", spec.norm),
      norm_2_(parameters, "decoder.ln_2", spec.norm),
      fc_1_(parameters.map("decoder.fc_1")),
      fc_2_(parameters.map("decoder.fc_2")) {}

Tensor AutoencoderDecoder::operator()(const Tensor& x_BTE, const Pass& pass) const {
  const auto wide = statistics_type(pass);
  const Tensor codes_TE = place_codes(x_BTE.size(1), x_BTE.size(2), x_BTE.options()).to(wide);
  const auto step = [&](const Tensor& in, const Norm& norm, const LinearMap& map) {
    return at::gelu(linear(norm({in, {}}, pass.dtype).normed, map, pass)).to(wide);
  };
  return step(step(last_state(x_BTE, pass.span).to(wide) + codes_TE, norm_1_, fc_1_), norm_2_, fc_2_);
}

}  // namespace kablate
