#pragma once

#include <string>

namespace kablate {

// What `kablate --version` prints, without the last line's end: a line a matter, of what a trial's numbers
// can depend on.
std::string version_text();

}  // namespace kablate
