#include "config/mechanism.h"

namespace kablate {

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

Config without_mechanisms(Config config) {
  for (const auto& mechanism : mechanisms()) mechanism.switch_off(config);
  return config;
}

Config without_mechanism(Config config, const Mechanism& mechanism) {
  mechanism.switch_off(config);
  return config;
}

}  // namespace kablate
