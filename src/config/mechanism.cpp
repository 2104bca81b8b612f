#include "config/mechanism.h"

#include <algorithm>

namespace kablate {

// The entries, each in its own file.
Mechanism gate_mechanism();                  // mechanism/gate.cpp
Mechanism cross_token_mechanism();           // mechanism/cross_token.cpp
Mechanism coupler_mechanism();               // mechanism/coupler.cpp
Mechanism reciprocal_attention_mechanism();  // mechanism/reciprocal_attention.cpp

const std::vector<Mechanism>& mechanisms() {
  static const std::vector<Mechanism> table = {gate_mechanism(), cross_token_mechanism(), coupler_mechanism(),
                                               reciprocal_attention_mechanism()};
  return table;
}

const Mechanism* find_mechanism(std::string_view name) {
  for (const auto& mechanism : mechanisms())
    if (mechanism.name == name) return &mechanism;
  return nullptr;
}

std::vector<const Mechanism*> mechanisms_on(const Config& config) {
  std::vector<const Mechanism*> on;
  for (const auto& mechanism : mechanisms())
    if (mechanism.on(config)) on.push_back(&mechanism);
  return on;
}

std::string why_future_is_seen(const Config& config) {
  for (const auto* mechanism : mechanisms_on(config))
    if (mechanism->sees_future != nullptr)
      if (const auto why = mechanism->sees_future(config); !why.empty()) return why;
  return "";
}

bool selects(const Config& config) {
  if (config.mlp.selects()) return true;
  const auto on = mechanisms_on(config);
  return std::any_of(on.begin(), on.end(), [&](const Mechanism* mechanism) {
    return mechanism->selects != nullptr && mechanism->selects(config);
  });
}

Config without_mechanisms(Config config) {
  for (const auto& mechanism : mechanisms()) mechanism.switch_off(config);
  return config;
}

Config without_mechanism(Config config, const Mechanism& mechanism) {
  mechanism.switch_off(config);
  return config;
}

}  // namespace kablate
