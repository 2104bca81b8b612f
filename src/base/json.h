// JSON by nlohmann/json. Objects keep their keys sorted, so that equal content is equal text.
#pragma once

#include <nlohmann/json.hpp>

namespace kablate {

using Json = nlohmann::json;

}  // namespace kablate
