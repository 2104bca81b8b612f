// The files that TensorBoard reads, byte by byte: records (their length, its checksum, the bytes, their
// checksum) that each hold one Event of TensorFlow's event.proto. Of that format only what is written here is
// encoded: five messages with numbers and texts in them are less than protobuf with its generator.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "record/scalars.h"

namespace kablate {

// CRC-32C (Castagnoli; RFC 3720), and the same as records have it: turned by 15 bits, plus a constant.
std::uint32_t crc32c(std::string_view data);
std::uint32_t masked_crc32c(std::string_view data);

// u64 length, u32 masked CRC of those 8 bytes, the bytes, u32 masked CRC of them; little-endian.
std::string event_record(std::string_view event);

// Below: records with one Event each. `wall_time` is in seconds since 1970.

// What a file begins with: the format's version, then the start of a session at step 0. On the second start
// in a run's folder TensorBoard forgets what it has of the run.
std::string session_records(double wall_time);

// Values of one step. The format has float32 for them: values are rounded to it.
std::string scalars_record(double wall_time, std::int64_t step, std::span<const Scalar> scalars);

// A text in Markdown, shown under Text.
std::string text_record(double wall_time, std::int64_t step, std::string_view tag, std::string_view markdown);

}  // namespace kablate
