// audit.json: what the gates found before training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

// The result of one gate for one step. `detail` says what was found, passed or not.
struct GateCheck {
  std::int64_t step = 0;
  std::string check;  // the gate: "liveness", "causality" … (audit/gates.h)
  bool passed = false;
  std::string detail;
  bool operator==(const GateCheck&) const = default;
};

// {"checks": [{step, check, passed, detail}]}, as `audit --json` prints it (spec, section 9).
Json to_json(const std::vector<GateCheck>& checks);

void write_audit(const ExperimentFolder& folder, const std::vector<GateCheck>& checks);  // throws WorkError
// Empty if there is none or it is damaged: `problem`, where given, then says how.
std::vector<GateCheck> read_audit(const ExperimentFolder& folder, std::string* problem = nullptr);

}  // namespace kablate
