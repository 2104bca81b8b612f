#include "data/utf8.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

char32_t read_one(const std::string& bytes) {
  std::size_t position = 0;
  const char32_t point = read_code_point(bytes, position, "text");
  EXPECT_EQ(position, bytes.size());
  return point;
}

TEST(Utf8, ReadsTheEdgesOfEachLength) {
  EXPECT_EQ(read_one(std::string(1, '\0')), 0u);
  EXPECT_EQ(read_one("\x7F"), 0x7Fu);
  EXPECT_EQ(read_one("\xC2\x80"), 0x80u);
  EXPECT_EQ(read_one("\xDF\xBF"), 0x7FFu);
  EXPECT_EQ(read_one("\xE0\xA0\x80"), 0x800u);
  EXPECT_EQ(read_one("\xED\x9F\xBF"), 0xD7FFu);
  EXPECT_EQ(read_one("\xEE\x80\x80"), 0xE000u);
  EXPECT_EQ(read_one("\xEF\xBF\xBF"), 0xFFFFu);
  EXPECT_EQ(read_one("\xF0\x90\x80\x80"), 0x10000u);
  EXPECT_EQ(read_one("\xF4\x8F\xBF\xBF"), 0x10FFFFu);
}

TEST(Utf8, RoundTripsEveryScalarValue) {
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;
    ASSERT_EQ(read_one(utf8(point)), point);
  }
}

TEST(Utf8, RefusesWhatIsNoneWithItsOffset) {
  const std::pair<const char*, const char*> kCases[] = {{"stray continuation", "\x80"},
                                                        {"stray continuation", "\xBF"},
                                                        {"overlong 2", "\xC0\x80"},
                                                        {"overlong 2", "\xC1\xBF"},
                                                        {"overlong 3", "\xE0\x80\x80"},
                                                        {"overlong 3", "\xE0\x9F\xBF"},
                                                        {"overlong 4", "\xF0\x80\x80\x80"},
                                                        {"overlong 4", "\xF0\x8F\xBF\xBF"},
                                                        {"surrogate", "\xED\xA0\x80"},
                                                        {"surrogate", "\xED\xBF\xBF"},
                                                        {"too large", "\xF4\x90\x80\x80"},
                                                        {"too large", "\xF5\x80\x80\x80"},
                                                        {"no lead", "\xFE"},
                                                        {"no lead", "\xFF"},
                                                        {"cut", "\xC3"},
                                                        {"cut", "\xE2\x82"},
                                                        {"cut", "\xF0\x9F\x98"},
                                                        {"no continuation", "\xC3x"},
                                                        {"no continuation", "\xE2x\x82"},
                                                        {"no continuation", "\xE2\x82x"},
                                                        {"Latin-1", "\xE9t\xE9"}};
  for (const auto& [what, tail] : kCases) {
    const std::string bytes = std::string("abc") + tail;
    const auto message = message_of<UserError>([&] {
      for (std::size_t position = 0; position < bytes.size();) read_code_point(bytes, position, "some.txt");
    });
    EXPECT_EQ(message.rfind("some.txt: not UTF-8 at byte 3 (0x", 0), 0u) << what << ": " << message;
  }
}

TEST(CodePointName, HasAtLeastFourDigits) {
  EXPECT_EQ(code_point_name(U'é'), "U+00E9");
  EXPECT_EQ(code_point_name(0x1F600), "U+1F600");
}

// The examples of Unicode 16, tables 3-8 to 3-11, each byte that stands alone written as one U+FFFD.
TEST(Utf8Mender, WritesAReplacementForEachPartThatIsNone) {
  const std::string r = "\uFFFD";
  const std::pair<std::string, std::string> kCases[] = {
      {"aé😀", "aé😀"},
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", r + r + r + r + r + r + r + r + "A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", r + r + r + r + r + r + r + r + "A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", r + r + r + r + r + "A" + r + r + "B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", r + r + r + r + "A"},
      {"x\xF0\x9F\x98", "x" + r}};
  for (const auto& [bytes, expected] : kCases) {
    Utf8Mender whole, single;
    std::string text = whole.take(bytes);
    EXPECT_EQ(text + whole.finish(), expected);
    text.clear();
    for (const char byte : bytes) text += single.take({&byte, 1});
    EXPECT_EQ(text + single.finish(), expected) << "byte by byte";
    EXPECT_EQ(single.take("a"), "a") << "begins anew";
  }
}

TEST(Utf8Mender, HoldsBackWhatIsNotWholeYet) {
  Utf8Mender mender;
  EXPECT_EQ(mender.take("a\xE2"), "a");
  EXPECT_EQ(mender.take("\x82"), "");
  EXPECT_EQ(mender.take("\xAC!"), "€!");
  EXPECT_EQ(mender.finish(), "");
}

}  // namespace
}  // namespace kablate
