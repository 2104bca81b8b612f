#include "audit/cut.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

struct Widths {
  std::int64_t head, latent;
};

struct Lengths {
  std::int64_t layers, context;
};

constexpr std::int64_t kVocabulary = 61, kNarrow = 8, kExperts = 4;
constexpr std::int64_t kWhole = std::int64_t{1} << 40;

// Of three layers one neither begins nor ends the model; where MLPs are shared, of four two keys of two.
Lengths lengths_of(Cut kind, const std::vector<Config>& configs) {
  const bool shared =
      std::any_of(configs.begin(), configs.end(), [](const Config& c) { return c.mlp.share_layers > 1; });
  switch (kind) {
    case Cut::kShallow:
      return {shared ? 4 : 3, 96};
    case Cut::kDeep:
      return {kWhole, 24};
    case Cut::kLong:
      break;
  }
  return {2, kWhole};
}

// At most `most` layers, a power of two where any are shared. Those that are left are those of keys (layers
// that have one MLP) beside one another, from that of layer `first` on, as far as there are so many.
Config with_depth(const Config& c, std::int64_t most, std::int64_t first) {
  if (c.gpt.num_layers <= most) return c;
  const bool adjacent = c.mlp.share_pattern == SharePattern::kAdjacent;
  const auto k = c.mlp.share_layers, keys = c.gpt.num_layers / k;
  const std::int64_t share = k == 1 ? 1 : keys == 1 ? most : 2, left = most / share;
  const auto key = std::min(adjacent ? first / k : first, keys - left);
  std::vector<std::int64_t> layers;
  for (std::int64_t i = 0; i < most; ++i)
    layers.push_back(adjacent ? (key + i / share) * k + i % share : key + i % left + i / left * keys);
  Config cut = with_values_of_layers(c, layers);
  cut.gpt.num_layers = most, cut.mlp.share_layers = share;
  return cut;
}

// How many kinds of layer each has, added up.
std::size_t kinds_of(const std::vector<Config>& configs) {
  std::size_t kinds = 0;
  for (const auto& config : configs) {
    std::set<std::pair<double, std::int64_t>> all;
    for (std::int64_t i = 0; i < config.gpt.num_layers; ++i)
      all.emplace(config.mlp.expansion.at(i), config.attention.latent_dim.at(i));
    kinds += all.size();
  }
  return kinds;
}

bool valid(const std::vector<Config>& configs);

// All are cut at one place, so that layers that are compared stay beside one another: the first of those that
// leave the most kinds of layer and make models.
std::vector<Config> with_depth(const std::vector<Config>& configs, std::int64_t most) {
  const auto cut_at = [&](std::int64_t first) {
    std::vector<Config> cut;
    for (const auto& config : configs) cut.push_back(with_depth(config, most, first));
    return cut;
  };
  std::int64_t deepest = 0;
  for (const auto& config : configs) deepest = std::max(deepest, config.gpt.num_layers);
  auto best = cut_at(0);
  bool found = valid(best);
  for (std::int64_t first = 1; first + most <= deepest; ++first) {
    auto next = cut_at(first);
    if ((found && kinds_of(next) <= kinds_of(best)) || !valid(next)) continue;
    best = std::move(next), found = true;
  }
  return best;
}

// The widest is `most`, the others keep their proportion to it.
void narrow_latents(PerLayer<std::int64_t>& latents, std::int64_t most) {
  const auto widest = *std::max_element(latents.values.begin(), latents.values.end());
  if (widest <= most) return;
  for (auto& L : latents.values) L = std::max<std::int64_t>(1, L * most / widest);
}

Config narrowed(Config c, const Widths& widths, const Lengths& lengths) {
  c.gpt.width = c.gpt.num_heads * std::min(c.head_dim(), widths.head);
  c.gpt.context = std::min(c.gpt.context, lengths.context);
  c.gpt.vocabulary = std::min(c.gpt.vocabulary, kVocabulary);
  // Sequences of any length and vocabulary, which have labels; the gates make their own.
  if (c.data.is_synthetic()) {
    if (!c.gpt.autoencoder) c.data.dataset = DatasetKind::kRepeats;
    c.data.synthetic.vocabulary = std::min(c.data.synthetic.vocabulary, c.gpt.vocabulary);
  }
  // Of a loop of a few updates.
  c.mlp.unshare_at = std::min<std::int64_t>(c.mlp.unshare_at, 2);
  c.lora.freeze_base_at = std::min<std::int64_t>(c.lora.freeze_base_at, c.mlp.unshare_at > 0 ? 3 : 2);
  c.lora.rank = std::min(c.lora.rank, kNarrow);
  c.mlp.experts = std::min(c.mlp.experts, kExperts);  // so that each gets some of a gate's tokens
  auto& mla = c.attention;
  narrow_latents(mla.latent_dim, widths.latent);
  if (mla.latent_source == LatentSource::kSlice) narrow_latents(mla.latent_dim, c.gpt.width);
  mla.q_latent_dim = std::min(mla.q_latent_dim, kNarrow), mla.rope_dim = std::min(mla.rope_dim, kNarrow);
  for (const auto& mechanism : mechanisms())
    if (mechanism.narrow != nullptr) mechanism.narrow(c, kNarrow);
  return c;
}

bool valid(const std::vector<Config>& configs) {
  try {
    for (const auto& config : configs) validate(config);
    return true;
  } catch (const UserError&) {
    return false;
  }
}

}  // namespace

std::vector<Config> cut(const std::vector<Config>& configs, Cut kind) {
  const auto lengths = lengths_of(kind, configs);
  std::vector<Config> smaller(configs.size());
  for (const Widths& widths :
       {Widths{8, 12}, Widths{8, 16}, Widths{16, 16}, Widths{16, 32}, Widths{kWhole, kWhole}}) {
    std::transform(configs.begin(), configs.end(), smaller.begin(),
                   [&](const Config& config) { return narrowed(config, widths, lengths); });
    smaller = with_depth(smaller, lengths.layers);
    if (valid(smaller)) break;
  }
  return smaller;
}

}  // namespace kablate
