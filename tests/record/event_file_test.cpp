#include "record/event_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <numeric>

#include "base/text.h"

namespace kablate {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::uint64_t little_endian(std::string_view text) {
  std::uint64_t value = 0;
  for (std::size_t i = text.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
  return value;
}

// The one record's event; fails where a length or a checksum is not the bytes'.
std::string event_of(std::string_view record) {
  const auto length = little_endian(record.substr(0, 8));
  EXPECT_EQ(record.size(), length + 16);
  EXPECT_EQ(little_endian(record.substr(8, 4)), masked_crc32c(record.substr(0, 8)));
  const auto event = record.substr(12, length);
  EXPECT_EQ(little_endian(record.substr(12 + length)), masked_crc32c(event));
  return std::string(event);
}

// RFC 3720, appendix B.4, and the check value of CRC-32/ISCSI.
TEST(Crc32c, GivesThePublishedSums) {
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c(std::string(rising.rbegin(), rising.rend())), 0x113FDB5CU);
}

TEST(Crc32c, IsMaskedByATurnAndAConstant) {
  for (const std::string text : {"", "123456789", "kablate"}) {
    const std::uint32_t turned = masked_crc32c(text) - 0xA282EAD8U;
    EXPECT_EQ(turned << 15 | turned >> 17, crc32c(text)) << text;
  }
}

TEST(EventFile, FramesARecord) {
  EXPECT_EQ(event_of(event_record("")), "");
  EXPECT_EQ(event_of(event_record("some bytes")), "some bytes");
}

// The wire format of protobuf by hand: (field << 3 | type), then the value.
TEST(EventFile, WritesMessagesByteForByte) {
  const std::string one = bytes({0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F});  // wall_time = 1.0
  const auto version = event_record(one + bytes({0x1A, 13}) + "brain.Event:2");
  const auto start = event_record(one + bytes({0x3A, 2, 0x08, 1}));
  EXPECT_EQ(session_records(1), version + start);

  const std::vector<Scalar> scalars{{"a", 0.5}, {"bc", -2}};
  EXPECT_EQ(event_of(scalars_record(1, 300, scalars)),
            one + bytes({0x10, 0xAC, 0x02})                                      // step
                + bytes({0x2A, 21, 0x0A, 8, 0x0A, 1, 'a', 0x15, 0, 0, 0, 0x3F})  // summary
                + bytes({0x0A, 9, 0x0A, 2, 'b', 'c', 0x15, 0, 0, 0, 0xC0}));
  EXPECT_EQ(event_of(text_record(1, 0, "t", "# x")),
            one + bytes({0x2A, 30, 0x0A, 28, 0x0A, 1, 't',                   //
                         0x4A, 8,  0x0A, 6,  0x0A, 4, 't',  'e', 'x',  't',  // metadata
                         0x42, 13, 0x08, 7,  0x12, 4, 0x12, 2,   0x08, 1,   0x42, 3}) +
                "# x");
}

TEST(EventFile, HasLongTextsAndSteps) {
  const std::string text(70000, 'x');
  EXPECT_TRUE(event_of(text_record(1, 0, "t", text)).ends_with(bytes({0x42, 0xF0, 0xA2, 0x04}) + text));
  const auto far = std::numeric_limits<std::int64_t>::max();
  const std::string step = bytes({0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F});
  EXPECT_NE(event_of(scalars_record(1, far, std::vector<Scalar>{{"a", 1}})).find(step), std::string::npos);
}

}  // namespace
}  // namespace kablate
