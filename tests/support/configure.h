// Configurations for tests: the menu's defaults, changed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/mechanism.h"
#include "config/settings.h"

namespace kablate {

using Deltas = std::vector<std::pair<std::string, std::string>>;  // symbol, value

inline Deltas operator+(Deltas a, const Deltas& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Settings changed(Settings settings, const Deltas& deltas) {
  for (const auto& [symbol, value] : deltas) settings.set(symbol, value, "test");
  return settings;
}

// Throws what validate() throws.
inline Config bound(const Settings& settings) {
  const Config config = settings.bind();
  validate(config);
  return config;
}

inline Config configure(const Deltas& deltas) { return bound(changed(Settings::defaults(), deltas)); }

// One mechanism switched by its symbol alone.
inline Deltas switched(const Mechanism& mechanism, bool on) {
  return {{mechanism.on_symbol(), mechanism.by_weight() ? (on ? "0.5" : "0") : (on ? "y" : "n")}};
}

inline Deltas mechanisms(bool gate, bool cross, bool recip) {
  return {{"RA_MLA_MLP_ATTN_GATE", gate ? "y" : "n"},
          {"RA_MLA_MLP_CROSS_TOKEN", cross ? "y" : "n"},
          {"RA_MLA_MLP_LATENT_RECIP", recip ? "y" : "n"}};
}

}  // namespace kablate
