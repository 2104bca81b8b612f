// Whether two trials gave the same results, bit for bit, and where they part if they did not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record/layout.h"
#include "record/summary.h"

namespace kablate {

// Where two loss logs part: the first row that is not in both.
struct LogDifference {
  std::int64_t iteration = 0;
  std::string what;  // "loss 2.25 -> 2.5", or which of the two logs has no such row
};
// Empty if metrics.jsonl of both folders hold the same loss log (metrics.h). Throws FileFault where a
// finished trial's is not what it was.
std::optional<LogDifference> compare_loss_logs(const TrialFolder& a, const TrialFolder& b);

struct ResultComparison {
  bool weights_equal = false;           // by the SHA-256 that the summaries record
  std::optional<LogDifference> losses;  // of the loss logs
  bool summaries_equal = false;         // iterations and measures(), to the last bit

  bool equal() const { return weights_equal && !losses && summaries_equal; }
  // "" if equal, else "weights, first at iteration 40 (loss 2.25 -> 2.5)".
  std::string describe() const;
};

// REQUIRES: `of_a` and `of_b` are the summaries of the finished trials in `a` and `b`.
ResultComparison compare_results(const TrialFolder& a, const TrialSummary& of_a, const TrialFolder& b,
                                 const TrialSummary& of_b);

// What of a finished trial's files is not what DONE records, and where they contradict one another: a phrase
// each, empty if all is whole. Reads every byte of them.
std::vector<std::string> find_damage(const TrialFolder& folder, const TrialSummary& summary);

}  // namespace kablate
