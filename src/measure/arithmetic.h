// What the last bits of a number depend on beside the lines of a trial's key: the processor as libraries see
// it, the libraries as they were loaded, and the variables that they read. plan/key.h says why it is not in
// the key.
#pragma once

#include <string>

#include <c10/core/Device.h>

#include "base/json.h"

namespace kablate {

// "2.13.0": LibTorch's version as loaded, which need not be the one that was compiled against.
std::string torch_version();

// { cpu: {model, id, features, caches}, aten: the instruction set that LibTorch's own loops use, libraries:
// the
//   lines that LibTorch's libraries say of themselves, mkl_branch, libc, gpu: {name, driver} or null,
//   variables: {NAME: value} }
Json describe_arithmetic(c10::Device device);

// 16 hex digits of the above; equal for machines whose trials may be paired.
std::string arithmetic_id(const Json& arithmetic);

}  // namespace kablate
