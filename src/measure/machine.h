// The machine that a run finds: its device, its threads, its speed, and what a reader of the results must
// know of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include <c10/core/Device.h>

#include "base/json.h"
#include "config/model_options.h"

namespace kablate {

// The device that DEVICE names; `auto` is cuda where there is one. Throws UserError for cuda without one.
c10::Device resolve_device(DeviceKind kind);

// Whether LibTorch can use a GPU where there is one.
bool torch_is_cuda_build();

// The same, and the CPU for cuda without one: for what needs no GPU to be true.
c10::Device device_here(DeviceKind kind);

// "cpu" or "cuda": what a trial's key knows of the device.
std::string device_class(c10::Device device);

std::string host_name();

// Fixes the number of threads of this process, switches to algorithms that give the same bits every time, and
// lets its threads take subnormal numbers for 0 where the processor can.
// Call before any tensor work, and settle_environment (variables.h) before that.
void make_deterministic(std::int64_t threads);

// Floating-point operations a second of a large matrix product in `dtype`: the best of a few, about 0.1 s; of
// a smaller product where the CPU takes long, as for bfloat16 that it does not know. `between` is called
// before each; it may throw to stop.
double matmul_flops_per_second(
    c10::Device device, DType dtype, const std::function<void()>& between = [] {});

// For people, and for finding the cause of a difference: machine, system, threads' waiting, the sources' git
// commit and changes or why they are unknown, and the arithmetic (arithmetic.h) of models on `device`.
Json describe_environment(const std::filesystem::path& source_folder, c10::Device device);

}  // namespace kablate
