// What `kablate judge` found, as a table and as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analyse/judge.h"
#include "base/json.h"
#include "stats/verdict.h"

namespace kablate {

// An arm's texts by one way of choosing what is drawn again, over its seeds.
struct JudgedRow {
  std::int64_t step = 0;
  std::string name, sampler;  // "probability" or "critic"
  std::map<std::int64_t, Reading> readings;
  std::map<std::int64_t, Repair> repairs;
};

struct Judged {
  std::string judge;                     // "step 0 mha of results/judge"
  std::int64_t steps = 0, seed = 1;      // of the filling in
  std::int64_t texts = 0;                // of each trial: no more than there are validation windows
  std::map<std::int64_t, Reading> data;  // these themselves
  std::vector<JudgedRow> rows;           // the first is what the others are held against
};

// Each row but the first against the first, paired by the seeds that both have.
struct Compared {
  std::vector<std::optional<Difference>> loss, repaired;
  std::vector<std::optional<Verdict>> loss_verdicts, repaired_verdicts;

  explicit Compared(const Judged& judged);
};

// As judge.json has it (record/FORMAT.md).
Json to_json(const Judged& judged, const Compared& compared);

// The table for a terminal of that width, what it says, and what its columns are.
std::string text_of(const Judged& judged, const Compared& compared, std::size_t width);

}  // namespace kablate
