// What a user sees of trials under way, as text: facts in, lines out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/live_block.h"

namespace kablate {

// A number that is not known yet is empty.
struct TrialFacts {
  std::string label;  // "step 2 gate+cross, seed 1"
  std::int64_t iteration = 0, iterations = 1;
  std::optional<double> loss;  // of training, as logged last
  std::optional<double> tokens_per_s, seconds_left;
};

struct RunFacts {
  std::vector<TrialFacts> trials;                  // that run
  std::int64_t done = 0, failed = 0, planned = 0;  // trials; done: by earlier runs too
  std::optional<double> seconds_left;              // until all are done
};

// For a terminal: a heading, a line a trial, a line for all of them; none wider than a column less than
// `size`, and no more than a row less than it has. What there is no room for is left out, the bar first,
// then speed and loss; labels are cut.
std::vector<std::string> live_lines(const RunFacts& run, TerminalSize size, bool colour);

// The same facts of one of run.trials as a sentence, for a log.
std::string plain_line(const TrialFacts& trial, const RunFacts& run);

}  // namespace kablate
