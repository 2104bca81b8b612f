// UTF-8 as RFC 3629 defines it, read strictly: nothing is replaced or skipped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kablate {

// The code point that starts at `position` (< bytes.size()), which moves to the next one. Throws UserError
// with `origin` and the byte offset if what stands there is no UTF-8: a stray or missing continuation byte,
// an overlong form, a surrogate, a value past U+10FFFF.
char32_t read_code_point(std::string_view bytes, std::size_t& position, std::string_view origin);

constexpr char32_t kReplacement = U'\uFFFD';  // stands for what is no character

// Makes UTF-8 of bytes that come piece by piece: the longest beginning of a character that stands alone, and
// any other byte that belongs to none, becomes U+FFFD (Unicode 16, section 3.9).
class Utf8Mender {
 public:
  std::string take(std::string_view bytes);  // what is certain by now
  std::string finish();                      // the rest; then it begins anew

 private:
  std::string pending_;  // an incomplete character
};

std::string utf8(char32_t code_point);        // a Unicode scalar value
std::string code_point_name(char32_t point);  // U+00E9

}  // namespace kablate
