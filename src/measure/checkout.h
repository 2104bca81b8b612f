// The sources that the program was built from, as git knows them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json.h"

namespace kablate {

// {commit, dirty} of the checkout whose top is `folder`, or {commit: "unknown", reason}: a repository around
// it is another project's. Variables GIT_… point elsewhere and are not passed on.
Json describe_checkout(const std::filesystem::path& folder);

// The changes of tracked files against the commit.
struct SourceChanges {
  std::string patch;       // its first kMostPatchBytes; "" if there are none or git can't say
  std::int64_t bytes = 0;  // of all of it
  std::string sha256;      // of all of it; "" where there is none
};
constexpr std::int64_t kMostPatchBytes = 1 << 20;
SourceChanges source_changes(const std::filesystem::path& folder);

}  // namespace kablate
