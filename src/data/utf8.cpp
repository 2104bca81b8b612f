#include "data/utf8.h"

#include <cstdint>
#include <cstdio>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

// How many bytes a lead byte announces; 0 if it is none.
int sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;  // 0xC0 and 0xC1 could only begin overlong forms
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

UserError malformed(std::string_view bytes, std::size_t position, std::string_view origin) {
  char byte[8];
  std::snprintf(byte, sizeof byte, "0x%02X", static_cast<unsigned char>(bytes[position]));
  return UserError(str(origin, ": not UTF-8 at byte ", position, " (", byte,
                       "); the text must be UTF-8: convert it, for example with iconv -t UTF-8"));
}

struct Beginning {
  std::size_t bytes;  // at least 1
  bool whole;
};

// As many of the first bytes as are a character, or could begin one; where the first could not, it alone.
Beginning beginning(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const int length = sequence_length(at(0));
  if (length <= 1) return {1, length == 1};
  // The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned char least = at(0) == 0xE0 ? 0xA0 : at(0) == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = at(0) == 0xED ? 0x9F : at(0) == 0xF4 ? 0x8F : 0xBF;
  std::size_t good = 1;
  while (good < static_cast<std::size_t>(length) && good < bytes.size() &&
         at(good) >= (good == 1 ? least : 0x80) && at(good) <= (good == 1 ? most : 0xBF))
    ++good;
  return {good, good == static_cast<std::size_t>(length)};
}

}  // namespace

char32_t read_code_point(std::string_view bytes, std::size_t& position, std::string_view origin) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const std::size_t start = position;
  const int length = sequence_length(at(start));
  if (length == 1) return at(position++);
  if (length == 0 || bytes.size() - start < static_cast<std::size_t>(length))
    throw malformed(bytes, start, origin);
  char32_t point = at(start) & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    if ((at(start + i) & 0xC0) != 0x80) throw malformed(bytes, start, origin);
    point = point << 6 | (at(start + i) & 0x3F);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (overlong || surrogate || point > 0x10FFFF) throw malformed(bytes, start, origin);
  position += static_cast<std::size_t>(length);
  return point;
}

std::string Utf8Mender::take(std::string_view more) {
  const std::string bytes = pending_ + std::string(more);
  std::string text;
  std::size_t place = 0;
  while (place < bytes.size()) {
    const auto [good, whole] = beginning(std::string_view(bytes).substr(place));
    if (!whole && place + good == bytes.size()) break;  // more may follow
    text += whole ? bytes.substr(place, good) : utf8(kReplacement);
    place += good;
  }
  pending_ = bytes.substr(place);
  return text;
}

std::string Utf8Mender::finish() {
  const bool left = !pending_.empty();
  pending_.clear();
  return left ? utf8(kReplacement) : "";
}

std::string utf8(char32_t point) {
  const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
  const auto tail = [&](int shift) { return byte(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {byte(0xE0 | point >> 12), tail(6), tail(0)};
  return {byte(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

std::string code_point_name(char32_t point) {
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", static_cast<unsigned>(point));
  return name;
}

}  // namespace kablate
