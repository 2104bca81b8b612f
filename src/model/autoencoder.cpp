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

// [T, E], in the type and on the device of `options`.
Tensor place_codes(std::int64_t T, std::int64_t E, const at::TensorOptions& options) {
  const auto half = E / 2;
  const Tensor i = at::arange(half, options.dtype(at::kDouble)),
               rates = i.mul(-std::log(1e4) / static_cast<double>(std::max<std::int64_t>(half - 1, 1))).exp();
  const Tensor angles = at::outer(at::arange(T, rates.options()), rates);
  return at::cat({angles.sin(), angles.cos(), at::zeros({T, E % 2}, rates.options())}, 1).to(options);
}

}  // namespace

AutoencoderDecoder::AutoencoderDecoder(const ModelSpec& spec, const ParameterSet& parameters)
    : norm_1_(parameters, "decoder.ln_1", spec.norm),
      norm_2_(parameters, "decoder.ln_2", spec.norm),
      fc_1_(parameters.map("decoder.fc_1")),
      fc_2_(parameters.map("decoder.fc_2")) {
  const auto options = fc_1_.weight.options().requires_grad(false);
  codes_TE_ = place_codes(spec.T, spec.E, options.dtype(statistics_type(fc_1_.weight.scalar_type())));
}

Tensor AutoencoderDecoder::operator()(const Tensor& x_BTE, const Pass& pass) const {
  const auto wide = statistics_type(pass);
  const auto T = x_BTE.size(1);
  const Tensor codes_TE =
      T <= codes_TE_.size(0) ? codes_TE_.narrow(0, 0, T) : place_codes(T, x_BTE.size(2), codes_TE_.options());
  const auto step = [&](const Tensor& in, const Norm& norm, const LinearMap& map) {
    return at::gelu(linear(norm({in, {}}, pass.dtype).normed, map, pass)).to(wide);
  };
  return step(step(last_state(x_BTE, pass.span).to(wide) + codes_TE, norm_1_, fc_1_), norm_2_, fc_2_);
}

}  // namespace kablate
