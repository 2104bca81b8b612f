// The MLPs of a model: their widths, and what makes no MLP.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/layer_lists.h"

namespace kablate {

void check_mlp(const Config& config);  // of validate_model

std::int64_t Config::mlp_width(std::int64_t layer) const {
  return static_cast<std::int64_t>(std::llround(mlp.expansion.at(layer) * static_cast<double>(gpt.width)));
}

std::vector<std::int64_t> Config::mlp_widths() const {
  std::vector<std::int64_t> widths;
  for (std::int64_t layer = 0; layer < gpt.num_layers; ++layer)
    if (const auto width = mlp_width(layer); width > 0) widths.push_back(width);
  return widths;
}

bool Config::hands_context() const {
  for (std::int64_t layer = 0; layer + 1 < gpt.num_layers; ++layer)
    if (mlp_width(layer) > 0) return true;
  return false;
}

std::int64_t Config::mlp_owner(std::int64_t layer) const {
  if (gpt.share_main) return 0;
  if (mlp.share_pattern == SharePattern::kAdjacent) return layer - layer % mlp.share_layers;
  // Of a number of layers that share_layers does not divide there is no model, but a question.
  return layer % std::max<std::int64_t>(1, gpt.num_layers / mlp.share_layers);
}

std::string expansion_text(std::int64_t width, std::int64_t embedding, bool exactly) {
  const auto F = static_cast<double>(width), E = static_cast<double>(embedding);
  const double most = exactly ? 1e-10 * F : 0.25;
  for (int digits = 0; digits < 17; ++digits) {
    const auto text = fixed(F / E, digits);
    if (std::abs(*parse_real(text) * E - F) < most) return text;
  }
  return shortest(F / E);
}

namespace {

std::string divisors(std::int64_t n) {
  std::vector<std::string> all;
  for (std::int64_t i = 1; i <= n; ++i)
    if (n % i == 0) all.push_back(std::to_string(i));
  return join(all, ", ");
}

void check_expansions(const Config& c) {
  check_list(c, "MLP_EXPANSION", c.mlp.expansion);
  for (std::int64_t i = 0; i < c.gpt.num_layers; ++i)
    if (c.mlp.expansion.at(i) > 0 && c.mlp_width(i) == 0)
      throw UserError(str("MLP_EXPANSION = ", c.mlp.expansion.at(i), " of GPT2_N_EMBD = ", c.gpt.width,
                          " rounds to an MLP of width 0: allowed: 0 for none, or at least ",
                          0.5 / static_cast<double>(c.gpt.width)));
}

void check_sharing_of_layers(const Config& c) {
  const auto layers = c.gpt.num_layers, k = c.mlp.share_layers;
  if (k == 1 && c.mlp.unshare_at > 0)
    throw UserError(str("MLP_UNSHARE_AT = ", c.mlp.unshare_at,
                        " with MLP_SHARE_LAYERS = 1: no layers share an MLP; set MLP_UNSHARE_AT to 0, or let "
                        "some share"));
  if (k == 1) return;
  if (layers % k != 0)
    throw UserError(str("MLP_SHARE_LAYERS = ", k, " with GPT2_N_LAYER = ", layers,
                        ": as many layers have one MLP, so it must divide their number; choose one of ",
                        divisors(layers)));
  if (!c.has_mlp())
    throw UserError(str("MLP_SHARE_LAYERS = ", k,
                        " with MLP_EXPANSION = 0: there is no MLP to share; set one of them otherwise"));
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto owner = c.mlp_owner(i);
    if (c.mlp.expansion.at(i) != c.mlp.expansion.at(owner))
      throw UserError(str(value_of(c, "MLP_EXPANSION"), " with MLP_SHARE_LAYERS = ", k, " and ",
                          value_of(c, "MLP_SHARE_PATTERN"), ": layers ", owner, " and ", i,
                          " have one MLP but expansions of ", c.mlp.expansion.at(owner), " and ",
                          c.mlp.expansion.at(i), "; give them one, or share otherwise"));
  }
}

void check_heads(const Config& c) {
  if (!c.mlp.per_head) return;
  const auto H = c.gpt.num_heads, m = c.mlp.share_heads, D = c.head_dim();
  if (!c.has_mlp())
    throw UserError(
        "MLP_PER_HEAD = y with MLP_EXPANSION = 0: there is no MLP; set one of them the other way");
  if (H == 1)
    throw UserError(
        "MLP_PER_HEAD = y with GPT2_N_HEAD = 1: the MLP of the only head is that of all channels; set "
        "MLP_PER_HEAD to n, or give the model more heads");
  if (H % m != 0)
    throw UserError(str("MLP_SHARE_HEADS = ", m, " with GPT2_N_HEAD = ", H,
                        ": as many heads have one MLP, so it must divide their number; choose one of ",
                        divisors(H)));
  for (const double f : c.mlp.expansion.values) {
    constexpr double kRounding = 1e-9;
    const double width = f * static_cast<double>(D);
    if (std::abs(width - std::round(width)) > kRounding * width)
      throw UserError(str("MLP_EXPANSION = ", f, " with MLP_PER_HEAD = y: the MLP of a head of width ", D,
                          " would be ", width, " wide; choose a factor that makes that a whole number"));
  }
}

// What can't stand beside experts, as "SYMBOL = value" and why; "" if nothing.
std::string beside_experts(const Config& c) {
  if (c.cross.enabled)
    return "RA_MLA_MLP_CROSS_TOKEN = y: tokens of different experts have no hidden units in common to mix; "
           "set RA_MLA_MLP_CROSS_TOKEN to n";
  if (c.coupler.enabled)
    return "RA_MLA_MLP_LATENT_RECIP = y: its maps would couple the latent to the units of one expert; set "
           "RA_MLA_MLP_LATENT_RECIP to n";
  if (c.mlp.per_head)
    return "MLP_PER_HEAD = y: each head's channels have an MLP already; set MLP_PER_HEAD to n";
  if (c.mlp.learned_width)
    return "MLP_LEARNED_WIDTH = y: its gates are of units that all tokens have; set MLP_LEARNED_WIDTH to n";
  if (c.gpt.share_main)
    return "SHARE_MAIN_MATRICES = y: it shares the maps of one MLP; set SHARE_MAIN_MATRICES to n, and "
           "MLP_SHARE_LAYERS to share experts";
  if (c.lora.mlp) return "USE_LORA_MLP = y: adapters stand beside the maps of one MLP; set USE_LORA_MLP to n";
  return "";
}

void check_experts(const Config& c) {
  if (!c.mlp.routed()) return;
  const auto n = c.mlp.experts;
  if (n == 1)
    throw UserError(
        "MLP_EXPERTS = 1: a router has nothing to choose of one expert; allowed: 0 for one MLP without a "
        "router, or 2 and more");
  if (!c.has_mlp())
    throw UserError(str("MLP_EXPERTS = ", n,
                        " with MLP_EXPANSION = 0: an expert is an MLP, and there is none; set one of them "
                        "otherwise"));
  if (const auto other = beside_experts(c); !other.empty())
    throw UserError(str("MLP_EXPERTS = ", n, " with ", other, ", or MLP_EXPERTS to 0"));
}

}  // namespace

void check_mlp(const Config& config) {
  check_experts(config);
  if (config.mlp.learned_width && !config.has_mlp())
    throw UserError(
        "MLP_LEARNED_WIDTH = y with MLP_EXPANSION = 0: there is no MLP; set one of them the other way");
  check_expansions(config);
  check_sharing_of_layers(config);
  check_heads(config);
}

}  // namespace kablate
