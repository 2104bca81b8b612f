// Reciprocal attention: inside a band, the score that a key's own query would give back (spec, section 2).
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {

Mechanism reciprocal_attention_mechanism() {
  return {.name = "ra",
          .title = "reciprocal attention",
          .part = "",
          .switch_symbol = "",
          .weight_symbol = "RA_MLA_RA_ALPHA",
          .reciprocal = false,
          .in_mlp = false,
          .symbols = {"RA_MLA_RA_WINDOW"},
          .on = [](const Config& c) { return c.attention.reciprocal_alpha > 0; },
          .switch_off = [](Config& c) { c.attention.reciprocal_alpha = 0; },
          .weight = [](Config& c) -> double& { return c.attention.reciprocal_alpha; },
          .unmet = [](const Config& c) -> std::string {
            if (c.attention.latent) return "";
            return str("RA_MLA_RA_ALPHA = ", c.attention.reciprocal_alpha,
                       " with ENABLE_RA_MLA = n: reciprocal attention needs MLA; set RA_MLA_RA_ALPHA to 0 or "
                       "ENABLE_RA_MLA to y");
          },
          .unread = [](const Config&) { return std::vector<const char*>{}; },
          .sees_future = nullptr,
          .selects = nullptr,
          .attach = nullptr,
          .narrow = nullptr,
          .partial_name = nullptr,
          .paths = nullptr};
}

}  // namespace kablate
