// How much memory a run takes: tensors, counted byte by byte
// where they are allocated, and the process as a whole.
#pragma once

#include <cstdint>

#include <c10/core/Device.h>

namespace kablate {

// From here on every CPU tensor is counted. Call once, before the first tensor is made.
void count_tensor_memory();

// Bytes of tensors alive now, and the most since the last reset, on
// `device`. On the CPU as asked for by LibTorch: exact and the same every
// time at a fixed number of threads; scratch of oneDNN and MKL lies outside.
std::int64_t tensor_bytes(c10::Device device);
std::int64_t peak_tensor_bytes_measured(c10::Device device);
void reset_peak_tensor_bytes(c10::Device device);

// The most resident memory of this process so far, in bytes.
std::int64_t peak_resident_bytes();

}  // namespace kablate
