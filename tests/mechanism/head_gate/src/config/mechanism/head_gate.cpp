// A gate on the heads' outputs, made from the attention's own input.
#include "config/mechanism.h"

namespace kablate {

Mechanism head_gate_mechanism() {
  return {.name = "hgate",
          .title = "head-output gate",
          .part = "head_gate",
          .switch_symbol = "HEAD_GATE",
          .weight_symbol = "HEAD_GATE_ALPHA",
          .reciprocal = false,
          .in_mlp = false,
          .symbols = {"HEAD_GATE_FAULT"},
          .on = [](const Config& c) { return c.head_gate.enabled; },
          .switch_off = [](Config& c) { c.head_gate.enabled = false; },
          .weight = [](Config& c) -> double& { return c.head_gate.alpha; },
          .unmet = [](const Config&) { return std::string(); },
          .unread = [](const Config&) { return std::vector<const char*>{}; },
          .sees_future = nullptr,
          .selects = nullptr,
          .attach = nullptr,
          .narrow = nullptr,
          .partial_name = nullptr,
          .paths = nullptr};
}

}  // namespace kablate
