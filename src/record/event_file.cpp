#include "record/event_file.h"

#include <bit>

#include <boost/crc.hpp>

#include "base/text.h"

namespace kablate {
namespace {

template <typename T>
std::string little_endian(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  return bytes;
}

// A protobuf message as it is written: fields, by their numbers.
class Message {
 public:
  Message& integer(int field, std::int64_t value) {
    key(field, /*wire_type=*/0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real64(int field, double value) {
    key(field, 1);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real32(int field, float value) {
    key(field, 5);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  Message& text(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int wire_type) { varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7F) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

// Numbers of fields and members in event.proto, summary.proto and tensor.proto.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace session_log {
constexpr int kStatus = 1, kStart = 1;
}
namespace summary {
constexpr int kValue = 1;
}
namespace value {
constexpr int kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace metadata {
constexpr int kPluginData = 1, kPluginName = 1;
}
namespace tensor {
constexpr int kType = 1, kShape = 2, kStringValue = 8, kString = 7;
constexpr int kDimension = 2, kSize = 1;
}  // namespace tensor

Message event_at(double wall_time, std::int64_t step) {
  Message message;
  message.real64(event::kWallTime, wall_time);
  if (step != 0) message.integer(event::kStep, step);
  return message;
}

}  // namespace

std::uint32_t crc32c(std::string_view data) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, /*reflect=*/true, true> sum;
  sum.process_bytes(data.data(), data.size());
  return sum.checksum();
}

std::uint32_t masked_crc32c(std::string_view data) { return std::rotr(crc32c(data), 15) + 0xA282EAD8U; }

std::string event_record(std::string_view event) {
  const auto length = little_endian(std::uint64_t{event.size()});
  return str(length, little_endian(masked_crc32c(length)), event, little_endian(masked_crc32c(event)));
}

std::string session_records(double wall_time) {
  auto version = event_at(wall_time, 0), start = version;
  version.text(event::kFileVersion, "brain.Event:2");
  start.message(event::kSessionLog, Message().integer(session_log::kStatus, session_log::kStart));
  return event_record(version.bytes()) + event_record(start.bytes());
}

std::string scalars_record(double wall_time, std::int64_t step, std::span<const Scalar> scalars) {
  Message values;
  for (const auto& scalar : scalars)
    values.message(summary::kValue, Message()
                                        .text(value::kTag, scalar.name)
                                        .real32(value::kSimpleValue, static_cast<float>(scalar.value)));
  return event_record(event_at(wall_time, step).message(event::kSummary, values).bytes());
}

std::string text_record(double wall_time, std::int64_t step, std::string_view tag,
                        std::string_view markdown) {
  const auto plugin = Message().text(metadata::kPluginName, "text");
  const auto shape = Message().message(tensor::kDimension, Message().integer(tensor::kSize, 1));
  const auto text = Message()
                        .text(value::kTag, tag)
                        .message(value::kMetadata, Message().message(metadata::kPluginData, plugin))
                        .message(value::kTensor, Message()
                                                     .integer(tensor::kType, tensor::kString)
                                                     .message(tensor::kShape, shape)
                                                     .text(tensor::kStringValue, markdown));
  const auto values = Message().message(summary::kValue, text);
  return event_record(event_at(wall_time, step).message(event::kSummary, values).bytes());
}

}  // namespace kablate
