// The same for many independent things, on all cores.
#pragma once

#include <cstddef>
#include <functional>

namespace kablate {

// Calls `work` with each number below `count` once, on as many threads as there are cores, in no order. What
// it throws is thrown again when all have ended: of several the one of the lowest number.
void for_each_on_all_cores(std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace kablate
