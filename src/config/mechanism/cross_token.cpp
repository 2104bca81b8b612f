// Mechanism 2: hidden values of other tokens, gathered along the attention's rows (spec, section 3).
#include <algorithm>

#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

std::string unmet_by_cross_token(const Config& c) {
  for (const auto F : c.mlp_widths())
    if (!c.cross.head_average && F % c.gpt.num_heads != 0)
      return str(
          "GPT2_N_HEAD = ", c.gpt.num_heads,
          " with RA_MLA_MLP_SPARSE_HEAD_AVERAGE = n: the number of heads must divide the MLP's width, here ",
          F, "; choose a divisor or average the heads");
  return "";
}

std::vector<const char*> unread_by_cross_token(const Config& c) {
  switch (c.cross.sparsity) {
    case Sparsity::kTopK:
      return {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD"};
    case Sparsity::kRms:
      return {"RA_MLA_MLP_SPARSE_K"};
    case Sparsity::kNone:
      break;
  }
  return {"RA_MLA_MLP_SPARSE_K", "RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "RA_MLA_MLP_SPARSE_NORMALIZE"};
}

}  // namespace

Mechanism cross_token_mechanism() {
  return {.name = "cross",
          .title = "cross-token aggregation",
          .part = "cross_token",
          .switch_symbol = "RA_MLA_MLP_CROSS_TOKEN",
          .weight_symbol = "RA_MLA_MLP_CROSS_ALPHA",
          .reciprocal = true,
          .in_mlp = true,
          .symbols = {"RA_MLA_MLP_CROSS_RANK", "RA_MLA_MLP_CROSS_DETACH", "RA_MLA_MLP_SPARSE_MODE",
                      "RA_MLA_MLP_SPARSE_K", "RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "RA_MLA_MLP_SPARSE_NORMALIZE",
                      "RA_MLA_MLP_SPARSE_HEAD_AVERAGE"},
          .on = [](const Config& c) { return c.cross.enabled; },
          .switch_off = [](Config& c) { c.cross.enabled = false; },
          .weight = [](Config& c) -> double& { return c.cross.alpha; },
          .unmet = unmet_by_cross_token,
          .unread = unread_by_cross_token,
          .sees_future = nullptr,
          .selects = [](const Config& c) { return c.cross.sparsity != Sparsity::kNone; },
          .attach = [](Config& c) { c.cross.detach = false; },
          .narrow = [](Config& c, std::int64_t most) { c.cross.rank = std::min(c.cross.rank, most); },
          .partial_name = nullptr,
          .paths = nullptr};
}

}  // namespace kablate
