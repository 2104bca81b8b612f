#include "audit/cut.h"

#include <algorithm>

#include "base/error.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

struct Rule {
  std::int64_t heads, head_dim, latent;
};

// The third layer is the one that neither begins nor ends the model.
constexpr std::int64_t kLayers = 3, kContext = 96, kVocabulary = 61, kNarrow = 8;
constexpr std::int64_t kWhole = std::int64_t{1} << 40;

Config apply(Config c, const Rule& rule) {
  const std::int64_t heads = std::min(c.gpt.num_heads, rule.heads);
  c.gpt.width = heads * std::min(c.head_dim(), rule.head_dim);
  c.gpt.num_heads = heads;
  c.gpt.num_layers = std::min(c.gpt.num_layers, kLayers);
  c.gpt.context = std::min(c.gpt.context, kContext);
  c.gpt.vocabulary = std::min(c.gpt.vocabulary, kVocabulary);
  c.attention.latent_dim = std::min(c.attention.latent_dim, rule.latent);
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

std::vector<Config> cut(const std::vector<Config>& configs) {
  std::vector<Config> smaller(configs.size());
  for (const Rule& rule : {Rule{4, 8, 12}, Rule{4, 8, 16}, Rule{4, 16, 16}, Rule{4, 16, 32},
                           Rule{kWhole, 8, 16}, Rule{kWhole, kWhole, kWhole}}) {
    std::transform(configs.begin(), configs.end(), smaller.begin(),
                   [&](const Config& config) { return apply(config, rule); });
    if (valid(smaller)) break;
  }
  return smaller;
}

}  // namespace kablate
