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

std::string utf8(char32_t code_point);        // a Unicode scalar value
std::string code_point_name(char32_t point);  // U+00E9

}  // namespace kablate
