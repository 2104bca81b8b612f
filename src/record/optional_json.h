// Values that may be missing, as files and --json have them.
#pragma once

#include <optional>

#include "base/json.h"

namespace kablate {

// null where there is none.
template <typename T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace kablate
