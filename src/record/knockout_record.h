// knockout.json of a finished trial: what its loss loses where `kablate knockout` switched a mechanism off.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

struct KnockoutRow {
  std::string mechanism;            // "gate", "cross" … (analyse/knockout.h)
  double scale = 0;                 // of its mixing weight; 0 is off
  double val_loss = 0;              // nats a token
  double change = 0;                // of the loss, to that of the model as trained
  std::optional<double> low, high;  // over its windows, adjusted for all rows; with two windows or more
  bool operator==(const KnockoutRow&) const = default;
};

struct KnockoutRecord {
  double val_loss = 0;  // of the model as trained
  std::int64_t windows = 0;
  std::vector<KnockoutRow> rows;
  std::string weights_sha256;
  bool operator==(const KnockoutRecord&) const = default;
};

void write_knockout(const TrialFolder& folder, const KnockoutRecord& record);  // throws WorkError

// As read_later_file says.
std::optional<KnockoutRecord> read_knockout(const TrialFolder& folder, const std::string& weights_sha256,
                                            std::string* problem);

}  // namespace kablate
