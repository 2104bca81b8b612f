#include "audit/cut.h"

#include <algorithm>

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

Lengths lengths_of(Cut kind) {
  switch (kind) {
    case Cut::kShallow:
      return {3, 96};
    case Cut::kDeep:
      return {kWhole, 24};
    case Cut::kLong:
      break;
  }
  return {2, kWhole};
}

Config apply(Config c, const Widths& widths, const Lengths& lengths) {
  c.gpt.width = c.gpt.num_heads * std::min(c.head_dim(), widths.head);
  c.gpt.num_layers = std::min(c.gpt.num_layers, lengths.layers);
  c.gpt.context = std::min(c.gpt.context, lengths.context);
  c.gpt.vocabulary = std::min(c.gpt.vocabulary, kVocabulary);
  c.attention.latent_dim = std::min(c.attention.latent_dim, widths.latent);
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
  std::vector<Config> smaller(configs.size());
  for (const Widths& widths :
       {Widths{8, 12}, Widths{8, 16}, Widths{16, 16}, Widths{16, 32}, Widths{kWhole, kWhole}}) {
    std::transform(configs.begin(), configs.end(), smaller.begin(),
                   [&](const Config& config) { return apply(config, widths, lengths_of(kind)); });
    if (valid(smaller)) break;
  }
  return smaller;
}

}  // namespace kablate
