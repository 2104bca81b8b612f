// Decoding from the cache computes the model that was trained.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr double kDouble = 1e-10, kFloat = 1e-5;  // relative to the logits' norm at a position
constexpr double kSetAside = 0.01;                // of the positions, in float32

// ‖decoded − full‖ / ‖full‖ of each position, [B, T]
Tensor gaps(const Config& config, const ParameterSet& parameters, const Subject& subject) {
  const at::NoGradGuard no_grad;
  const Tensor tokens = random_tokens(config, 2, config.gpt.context, 10);
  const Tensor full = subject.logits(config, parameters, tokens, Dropout()).to(at::kDouble);
  const Tensor decoded = subject.decoded_logits(config, parameters, tokens).to(at::kDouble);
  return (decoded - full).norm(2, -1) / full.norm(2, -1);
}

}  // namespace

std::optional<Finding> decode_parity(const Config& step, const Subject& subject) {
  if (step.gate.enabled && step.gate.pool == GatePool::kSequence) return {};  // needs the future: no decoder
  Config config = step;
  config.run.dtype = DType::kFloat32;
  const auto drawn = random_parameters(subject.parameters(config), 11);
  const double in_double = gaps(config, drawn.to(at::kCPU, at::kDouble), subject).max().item<double>();
  const Tensor in_float = gaps(config, drawn, subject);
  // A weight at the edge of a selection may fall on its other side in float32; float64 has none that close.
  const bool selects = config.cross.enabled && config.cross.sparsity != Sparsity::kNone;
  const auto over = in_float.gt(kFloat).sum().item<std::int64_t>();
  const auto allowed =
      selects ? static_cast<std::int64_t>(kSetAside * static_cast<double>(in_float.numel())) : 0;
  const auto found =
      str("the cached pass differs from the full one by at most ", scientific(in_double, 1),
          " relative in float64 and ", scientific(in_float.max().item<double>(), 1), " in float32",
          over > 0 ? str(" (", over, " of ", in_float.numel(), " positions over ", scientific(kFloat, 0), ")")
                   : "");
  // Written so that what is no number fails.
  return Finding{in_double <= kDouble && over <= allowed && in_float.isfinite().all().item<bool>(), found};
}

}  // namespace kablate
