#include "generate/unmask.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "generate/likeliest.h"
#include "model/draw.h"
#include "model/loss.h"

namespace kablate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The numbers by which places of [B, T], counted through, are drawn.
Tensor numbers(const Tensor& places_M, std::int64_t T, std::uint64_t first, std::int64_t step,
               std::uint64_t seed) {
  const Tensor on_cpu = places_M.cpu();
  const std::span places(on_cpu.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(on_cpu.numel()));
  Tensor u_M = at::empty({on_cpu.numel()}, at::kDouble);
  auto* out = u_M.mutable_data_ptr<double>();
  const auto key = stream_key(seed, "unmask");
  for (const auto place : places) {
    const auto b = static_cast<std::uint64_t>(place / T), t = static_cast<std::uint64_t>(place % T);
    *out++ = random_uniform(random_bits(key, first + b), static_cast<std::uint64_t>(step) << 32 | t);
  }
  return u_M.to(places_M.device());
}

}  // namespace

std::int64_t masked_after(std::int64_t step, std::int64_t steps, std::int64_t places) {
  if (step >= steps) return 0;
  const double share =
      std::cos(std::numbers::pi / 2 * static_cast<double>(step) / static_cast<double>(steps));
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(places)));
}

Unmasking::Unmasking(const Gpt& model, const Tensor& keep_BT, std::uint64_t first,
                     const UnmaskOptions& options)
    : model_(model), keep_(keep_BT), first_(first), options_(options) {
  TORCH_CHECK(options.steps > 0 && !options.ids.empty(), "unmasking needs a step and ids to draw");
}

Tensor Unmasking::draw(Tensor& tokens_BT, const Tensor& masked_BT, std::int64_t step) const {
  const at::NoGradGuard no_grad;
  const auto T = tokens_BT.size(1);
  const Tensor places_M = masked_BT.flatten().nonzero().squeeze(1);
  const Tensor ids_I = at::tensor(options_.ids, at::kLong).to(tokens_BT.device());
  const Tensor u_M = numbers(places_M, T, first_, step, options_.seed);
  Tensor sure_BT = at::full(tokens_BT.sizes(), -kInfinity, u_M.options());
  const Head head = at_places(model_.head(tokens_BT, Dropout(), keep_), places_M);
  for_logits(head, [&](std::int64_t from, const Tensor& logits_mV) {
    const auto m = logits_mV.size(0);
    const Tensor scores_mI = logits_mV.index_select(1, ids_I).to(at::kDouble);
    // The largest is 0 at any temperature.
    const Tensor tempered_mI = (scores_mI - scores_mI.amax(1, /*keepdim=*/true)) / options_.temperature;
    const Tensor drawn_m =
        draw_rows(likeliest(tempered_mI, options_.top_k, options_.top_p), u_M.narrow(0, from, m));
    const Tensor here_m = places_M.narrow(0, from, m);
    tokens_BT.view({-1}).index_copy_(0, here_m, ids_I.index_select(0, drawn_m));
    sure_BT.view({-1}).index_copy_(0, here_m,
                                   scores_mI.softmax(1).gather(1, drawn_m.unsqueeze(1)).squeeze(1));
  });
  return sure_BT;
}

Tensor Unmasking::approval(const Tensor& tokens_BT) const {
  const at::NoGradGuard no_grad;
  const Tensor values_BTE = model_.head(tokens_BT, Dropout(), keep_).values_BTE;
  return at::sigmoid(-model_.critic(values_BTE).to(at::kDouble));
}

Tensor least_sure(const Tensor& sure_BT, const Tensor& among_BT, const Tensor& counts_B) {
  const auto T = sure_BT.size(1);
  const Tensor backwards_BT = sure_BT.masked_fill(among_BT.logical_not(), kInfinity).flip(1);
  const Tensor order_BT = std::get<1>(backwards_BT.sort(/*stable=*/true, 1, /*descending=*/false));
  const Tensor chosen_BT = at::arange(T, counts_B.options()).lt(counts_B.unsqueeze(1));
  return at::zeros_like(among_BT).scatter_(1, (T - 1) - order_BT, chosen_BT);
}

Tensor unmask(const Gpt& model, const Tensor& tokens_BT, const Tensor& fill_BT, const Tensor& keep_BT,
              std::uint64_t first, const UnmaskOptions& options) {
  const Unmasking unmasking(model, keep_BT, first, options);
  const Tensor places_B = fill_BT.sum(1).cpu();
  Tensor tokens = tokens_BT.masked_fill(fill_BT, options.mask_token), masked_BT = fill_BT;
  for (std::int64_t step = 1; step <= options.steps && masked_BT.any().item<bool>(); ++step) {
    const Tensor sure_BT = unmasking.draw(tokens, masked_BT, step);
    Tensor again_B = at::empty_like(places_B);
    for (std::int64_t b = 0; b < places_B.numel(); ++b)
      again_B[b] = masked_after(step, options.steps, places_B[b].item<std::int64_t>());
    again_B = again_B.to(tokens.device());
    masked_BT = options.by_critic ? least_sure(unmasking.approval(tokens), fill_BT, again_B)
                                  : least_sure(sure_BT, masked_BT, again_B);
    tokens.masked_fill_(masked_BT, options.mask_token);
  }
  return tokens;
}

}  // namespace kablate
