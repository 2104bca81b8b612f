// By what the trials of merged sources were made: which may stand beside each other, and what is said of it.
#pragma once

#include <string>
#include <vector>

#include "record/reader.h"
#include "report/merge.h"

namespace kablate {

bool has_ended(const TrialRecord& trial);  // done or diverged

// The lines in which two keys differ, a phrase each ("threads 1 -> 2"): those that say by what a trial was
// made, and the others but those of the seed, which make it another arm.
std::vector<std::string> made_by_differences(const TrialRecord& a, const TrialRecord& b);
std::vector<std::string> arm_differences(const TrialRecord& a, const TrialRecord& b);

// "" or why two ended trials of one seed are no pair: the report would not compare them (pairing.h), or other
// programs trained them.
std::string why_no_pair(const TrialRecord& a, const TrialRecord& b);

// Whose the ended trials are, and all that they were not made by alike, the program's sources first, with the
// seeds that differ from the first trial; then whether those within a seed were.
std::string origin_note(const std::vector<MergeSource>& sources, const std::vector<MergedTrial>& trials);

}  // namespace kablate
