// How many cores this process can use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace kablate {

// The cores that this process may run on, and no more than its container's quota pays for.
std::int64_t available_cores();

// The whole cores of the smallest CPU quota over this process's control groups, version 1 or 2, at least 1;
// empty where there is none. A fraction is left out: threads that wait for one another would all wait for the
// one that is throttled. `root` is where proc/ and sys/ lie.
std::optional<std::int64_t> quota_cores(const std::filesystem::path& root = "/");

// How many cores all processes of the machine together kept busy over the next `seconds`; empty where the
// system doesn't say.
std::optional<double> busy_cores(double seconds);

}  // namespace kablate
