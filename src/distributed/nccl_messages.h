// Messages between GPUs, carried by NCCL, from the library that the build makes where a CUDA build of
// LibTorch has NVIDIA's packages beside it (nccl/module.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <c10/core/Device.h>

#include "distributed/communicator.h"
#include "distributed/device_messages.h"

namespace kablate {

// Where that library lies. Throws UserError saying what is missing if there is none.
std::filesystem::path nccl_module(std::int64_t ranks);

// Every rank of `others` calls it, with its own GPU; what they meet by goes through `others`.
std::unique_ptr<DeviceMessages> connect_by_nccl(Communicator& others, c10::Device device);

// What the library offers: a name that ranks meet by, bytes that one of them makes; and the messages of those
// that have met by it.
extern "C" {
using NewMeeting = void (*)(std::string& meeting);
using Meet = DeviceMessages* (*)(const std::string& meeting, std::int64_t rank, std::int64_t size, int gpu);
}

}  // namespace kablate
