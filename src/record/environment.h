// environment.json: where a trial was made. For people, and for finding the cause of a difference.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

// An empty object if there is none. Throws FileFault where a finished trial's is not what it was.
Json read_environment(const TrialFolder& folder);

// What differs, a phrase each: "cpu: Xeon 8375C -> EPYC 7763", "git.commit: …"; of long texts (a patch) only
// that they do.
std::vector<std::string> environment_differences(const Json& then, const Json& now);

// Those of them that can change a number although no line of the key differs: the arithmetic
// (measure/arithmetic.h: processor, libraries, variables that they read) and the operating system.
std::vector<std::string> environment_causes(const Json& then, const Json& now);

}  // namespace kablate
