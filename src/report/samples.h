// Whether trials of one seed read the tokens that their configurations say they have in common: by the hashes
// in their logs, not by what was planned.
#pragma once

#include <string>
#include <vector>

#include "record/reader.h"

namespace kablate {

// "" or what of the one trial's tokens is not the other's although their keys say the same: "was trained on
// other samples by iteration 40", "was evaluated on other tokens at iteration 40". Iterations that only one
// of both logged are not compared, nor what terms (plan/terms.h) say is different.
std::string other_tokens(const TrialRecord& trial, const TrialRecord& other);

// A sentence for each finished trial that did not read what the baseline's trial of its seed read.
std::vector<std::string> sample_faults(const ExperimentRecord& experiment);

}  // namespace kablate
