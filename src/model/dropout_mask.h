// What dropout keeps, on a device on which base/rng.h can't loop: by one kernel on a GPU of NVIDIA's, by
// operations on whole tensors elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

// [B, count] bool on `device`: whether the element of sample samples[b] stays, where fill_dropout() of
// base/rng.h gives anything but 0. Sequences and elements are taken in pieces, so that what lies between
// stays small.
at::Tensor kept_by_dropout(std::uint64_t key, const std::vector<std::uint64_t>& samples, double drop,
                           std::int64_t count, c10::Device device);

}  // namespace kablate
