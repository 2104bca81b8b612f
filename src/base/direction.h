// Which way a measured number is good.
#pragma once

namespace kablate {

enum class Better { kLess, kMore };

// Whether a change by `change` is for the better. REQUIRES: it is not 0.
inline bool improves(double change, Better better) { return (change < 0) == (better == Better::kLess); }

}  // namespace kablate
