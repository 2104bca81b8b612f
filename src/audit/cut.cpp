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

constexpr std::int64_t kVocabulary = 61, kNarrow = 8;
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

// At most `most` layers, a power of two where any are shared. The MLPs that are left are those of keys
// (layers that have one MLP) beside one another, from `first` on.
Config with_depth(const Config& c, std::int64_t most, std::int64_t first) {
  if (c.gpt.num_layers <= most) return c;
  Config cut = c;
  const auto keys = c.gpt.num_layers / c.mlp.share_layers;
  cut.gpt.num_layers = most;
  if (c.mlp.share_layers > 1) cut.mlp.share_layers = keys == 1 ? most : 2;
  const bool adjacent = c.mlp.share_pattern == SharePattern::kAdjacent;
  if (c.mlp.expansion.values.size() == 1) return cut;
  cut.mlp.expansion.values.clear();
  for (std::int64_t i = 0; i < most; ++i) {
    const auto key = adjacent ? i / cut.mlp.share_layers : i % (most / cut.mlp.share_layers);
    cut.mlp.expansion.values.push_back(
        c.mlp.expansion.at((first + key) * (adjacent ? c.mlp.share_layers : 1)));
  }
  return cut;
}

std::size_t distinct(const std::vector<double>& values) {
  return std::set<double>(values.begin(), values.end()).size();
}

bool valid(const std::vector<Config>& configs);

// Of the places to cut, the first of those that leave the most kinds of MLP and are a model.
Config with_depth(const Config& c, std::int64_t most) {
  Config best = with_depth(c, most, 0);
  if (c.gpt.num_layers <= most || c.mlp.expansion.values.size() == 1) return best;
  bool found = valid({best});
  const auto keys = c.gpt.num_layers / c.mlp.share_layers, left = best.gpt.num_layers / best.mlp.share_layers;
  for (std::int64_t first = 1; first + left <= keys; ++first) {
    const Config next = with_depth(c, most, first);
    const bool richer = distinct(next.mlp.expansion.values) > distinct(best.mlp.expansion.values);
    if ((found && !richer) || !valid({next})) continue;
    best = next, found = true;
  }
  return best;
}

Config apply(Config c, const Widths& widths, const Lengths& lengths) {
  c.gpt.width = c.gpt.num_heads * std::min(c.head_dim(), widths.head);
  c.gpt.context = std::min(c.gpt.context, lengths.context);
  c.gpt.vocabulary = std::min(c.gpt.vocabulary, kVocabulary);
  c.mlp.unshare_at = std::min<std::int64_t>(c.mlp.unshare_at, 2);  // of a loop of a few updates
  auto& mla = c.attention;
  mla.latent_dim = std::min(mla.latent_dim, widths.latent);
  if (mla.latent_source == LatentSource::kSlice) mla.latent_dim = std::min(mla.latent_dim, c.gpt.width);
  mla.q_latent_dim = std::min(mla.q_latent_dim, kNarrow), mla.rope_dim = std::min(mla.rope_dim, kNarrow);
  for (const auto& mechanism : mechanisms())
    if (mechanism.narrow != nullptr) mechanism.narrow(c, kNarrow);
  return with_depth(c, lengths.layers);
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
  std::vector<Config> smaller(configs.size());
  for (const Widths& widths :
       {Widths{8, 12}, Widths{8, 16}, Widths{16, 16}, Widths{16, 32}, Widths{kWhole, kWhole}}) {
    std::transform(configs.begin(), configs.end(), smaller.begin(),
                   [&](const Config& config) { return apply(config, widths, lengths_of(kind, configs)); });
    if (valid(smaller)) break;
  }
  return smaller;
}

}  // namespace kablate
