// The gates' verdicts on the program and on programs with a planted fault.
#pragma once

#include <string>
#include <vector>

#include "audit/audit.h"
#include "base/text.h"
#include "support/engine/model_fixture.h"

namespace kablate {

inline Config all_mechanisms(const Deltas& more = {}) {
  return small_config(mechanisms(true, true, true) + Deltas{{"RA_MLA_ALLOW_NONCAUSAL", "n"}} + more);
}

inline std::vector<GateCheck> audit(const Config& config, const Subject& subject = program(),
                                    bool twin = false) {
  return audit_step({1, config, twin}, {0, small_config(mechanisms(false, false, false)), false}, subject);
}

// Tensors of its own, to plant a fault in.
inline ParameterSet copied_parameters(const ParameterSet& parameters) {
  return parameters.to(at::kCPU, parameters.tensors()[0].scalar_type());
}

// The gates that failed, joined by blanks.
inline std::string failed(const std::vector<GateCheck>& checks) {
  std::vector<std::string> names;
  for (const auto& check : checks)
    if (!check.passed) names.push_back(check.check);
  return join(names, " ");
}

inline const std::string& detail(const std::vector<GateCheck>& checks, const char* name) {
  static const std::string none;
  for (const auto& check : checks)
    if (check.check == name) return check.detail;
  return none;
}

// The program with another function from tokens to logits.
template <typename Function>
Subject with_logits(Function change) {
  Subject subject = program();
  subject.logits = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                       const Dropout& dropout) {
    return change(program().logits(config, parameters, tokens, dropout), config, parameters, tokens, dropout);
  };
  return subject;
}

// The program whose loop trains another configuration than it is told to.
template <typename Change>
Subject trained_otherwise(Change change) {
  Subject subject = program();
  subject.train = [=](Config config, std::int64_t seed, const std::shared_ptr<const Dataset>& data,
                      std::int64_t updates) {
    change(config);
    return program().train(config, seed, data, updates);
  };
  return subject;
}

// The program with initial weights that are changed, by name.
template <typename Change>
Subject drawn_otherwise(Change change) {
  Subject subject = program();
  subject.initial_values = [=](const Config& config, std::uint64_t seed) {
    const auto values = program().initial_values(config, seed);
    for (const auto& [name, tensor] : values.by_name()) change(name, tensor.detach());
    return values;
  };
  return subject;
}

inline bool fails(const std::vector<GateCheck>& checks, const char* gate, const char* saying) {
  for (const auto& check : checks)
    if (check.check == gate) return !check.passed && check.detail.find(saying) != std::string::npos;
  return false;
}

}  // namespace kablate
