// The machine that a run finds: its device, its threads, its speed, and what a reader of the results must
// know of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include <c10/core/Device.h>

#include "base/json.h"
#include "config/config.h"

namespace kablate {

// The device that DEVICE names; `auto` is cuda where there is one. Throws UserError for cuda without one.
c10::Device resolve_device(DeviceKind kind);

// "cpu" or "cuda": what a trial's key knows of the device.
std::string device_class(c10::Device device);

// "2.13.0": LibTorch's version as linked.
std::string torch_version();

// The cores that this process may run on.
std::int64_t available_cores();

std::string host_name();

// Fixes the number of threads of this process and switches to algorithms that give the same bits every time.
// Call before any tensor work.
void make_deterministic(std::int64_t threads);

// Floating-point operations a second of a large matrix product in `dtype`: the best of a few, about 0.1 s; of
// a smaller product where the CPU takes long, as for bfloat16 that it does not know. `between` is called
// before each; it may throw to stop.
double matmul_flops_per_second(
    c10::Device device, DType dtype, const std::function<void()>& between = [] {});

// Versions, CPU, operating system, compiler, and the
// sources' git commit and changes, or why they are unknown.
Json describe_environment(const std::filesystem::path& source_folder);

// The changes against the commit as a patch ("" if there are none or git can't say).
std::string uncommitted_changes(const std::filesystem::path& source_folder);

}  // namespace kablate
