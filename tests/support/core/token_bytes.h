// Tokens as data files hold them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace kablate {

// 16-bit unsigned numbers, little-endian.
template <typename Tokens>
std::string uint16_text(const Tokens& tokens) {
  std::string bytes;
  for (const auto token : tokens) bytes += {static_cast<char>(token & 255), static_cast<char>(token >> 8)};
  return bytes;
}
inline std::string uint16_text(std::initializer_list<std::int64_t> tokens) {
  return uint16_text<std::initializer_list<std::int64_t>>(tokens);
}

}  // namespace kablate
