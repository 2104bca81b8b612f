#include "base/control_characters.h"

namespace kablate {

std::string without_controls(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool high = byte == 0xC2 && next >= 0x80 && next <= 0x9F;
    result += high || byte < ' ' || byte == 0x7F ? ' ' : text[i];
    if (high) ++i;
  }
  return result;
}

}  // namespace kablate
