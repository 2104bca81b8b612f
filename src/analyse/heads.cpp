#include "analyse/heads.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"
#include "data/batch.h"

namespace kablate {
namespace {

// Of one head in sequences so far.
struct Sums {
  Tensor induction_H, duplicate_H, previous_H, entropy_H;

  void add(const Tensor& P_HTT, std::int64_t N) {
    const auto mean = [&](std::int64_t behind) {  // P[t, t - behind] over the queries of the second copy
      const Tensor places = P_HTT.diagonal(-behind, 1, 2);
      return places.narrow(1, places.size(1) - N, N).mean(1);
    };
    const Tensor entropy_HT = at::xlogy(P_HTT, P_HTT).sum(2).neg();
    const auto into = [](Tensor& sum, const Tensor& x) { sum = sum.defined() ? sum + x : x; };
    into(induction_H, mean(N - 1));
    into(duplicate_H, mean(N));
    into(previous_H, P_HTT.diagonal(-1, 1, 2).mean(1));
    into(entropy_H, entropy_HT.narrow(1, N, N).mean(1));
  }
};

// The library that finds eigenvalues ends the program where there are none.
void check_finite(bool finite) {
  if (!finite) throw WorkError("the model's weights are not all numbers: its loss and its maps are none");
}

// 0 where the map is 0: such a head copies nothing.
double copying(const Tensor& map_DD) {
  check_finite(map_DD.isfinite().all().item<bool>());
  const Tensor values = at::linalg_eigvals(map_DD.cpu());
  const double size = values.abs().sum().item<double>();
  return size > 0 ? at::real(values).sum().item<double>() / size : 0;
}

// Mean loss over ids 1 … N-1 of one of the copies: the head at position t says the id at t + 1.
double copy_loss(const Head& head, const Tensor& tokens_1T, std::int64_t N, std::int64_t copy) {
  Tensor targets = at::full_like(tokens_1T, kIgnoreIndex);
  targets.narrow(1, copy * N, N - 1).copy_(tokens_1T.narrow(1, copy * N + 1, N - 1));
  return head_cross_entropy(head, targets).item<double>();
}

}  // namespace

Tensor repeated_sequences(const std::vector<std::int64_t>& ids, std::int64_t length, std::int64_t count,
                          std::int64_t seed) {
  TORCH_CHECK(!ids.empty(), "there are no ids to draw from");
  Tensor sequences = at::empty({count, 2 * length}, at::kLong);
  for (std::int64_t n = 0; n < count; ++n) {
    const auto key = stream_key(static_cast<std::uint64_t>(seed), str("heads/", n));
    const Permutation places(key, ids.size());
    auto* first = sequences.mutable_data_ptr<std::int64_t>() + n * 2 * length;
    for (std::int64_t i = 0; i < length; ++i) {
      const auto at = static_cast<std::uint64_t>(i);
      const auto place = std::ssize(ids) >= length
                             ? places(at)
                             : random_below(key, at, static_cast<std::uint64_t>(ids.size()));
      first[i] = first[length + i] = ids[place];
    }
  }
  return sequences;
}

HeadsRecord look_at_heads(const Gpt& model, const Tensor& sequences, const std::function<void()>& between) {
  const at::NoGradGuard no_grad;
  const std::int64_t N = sequences.size(1) / 2, count = sequences.size(0);
  TORCH_CHECK(N >= 2 && sequences.size(1) == 2 * N, "sequences of ", sequences.size(1), " ids");
  HeadsRecord record;
  record.length = N, record.sequences = count;
  std::vector<Sums> layers(model.spec().layers.size());
  for (std::int64_t n = 0; n < count; ++n) {
    between();
    const Tensor tokens_1T = sequences.narrow(0, n, 1);
    const Head head = model.observe_rows(tokens_1T, [&](std::int64_t layer, const Tensor& by_head_1HTT) {
      layers[static_cast<std::size_t>(layer)].add(by_head_1HTT.squeeze(0).to(at::kDouble), N);
    });
    record.first_loss += copy_loss(head, tokens_1T, N, 0) / static_cast<double>(count);
    record.second_loss += copy_loss(head, tokens_1T, N, 1) / static_cast<double>(count);
  }
  check_finite(std::isfinite(record.first_loss) && std::isfinite(record.second_loss));
  const auto maps = model.copying_maps();
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    if (!maps[layer].defined()) continue;
    const auto mean = [&](const Tensor& sum_H, std::int64_t h) {
      return sum_H[h].item<double>() / static_cast<double>(count);
    };
    const Sums& sums = layers[layer];
    for (std::int64_t h = 0; h < maps[layer].size(0); ++h)
      record.heads.push_back({static_cast<std::int64_t>(layer), h, mean(sums.induction_H, h),
                              mean(sums.duplicate_H, h), mean(sums.previous_H, h), mean(sums.entropy_H, h),
                              copying(maps[layer][h])});
  }
  return record;
}

}  // namespace kablate
