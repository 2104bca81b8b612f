// The rules of a safetensors file, checked a second way: with a JSON reader of its own, 128-bit arithmetic,
// and a count of each byte's owners. For small files.
#pragma once

#include <string>

namespace kablate::testing_support {

// The first rule that `file` (its bytes) breaks; "" if it keeps them all.
std::string broken_safetensors_rule(const std::string& file);

}  // namespace kablate::testing_support
