#include "data/token_stream.h"

#include <stdexcept>

#include "base/text.h"

namespace kablate {

std::int64_t TokenStream::size() const {
  return std::visit([](const auto& tokens) { return static_cast<std::int64_t>(tokens.size()); }, tokens_);
}

std::int64_t TokenStream::operator[](std::int64_t place) const {
  std::int64_t token = 0;
  copy(place, 1, &token);
  return token;
}

void TokenStream::copy(std::int64_t start, std::int64_t count, std::int64_t* out) const {
  if (start < 0 || count < 0 || start > size() - count)
    throw std::out_of_range(str("tokens ", start, " to ", start + count, " of ", size()));
  std::visit(
      [&](const auto& tokens) {
        for (std::int64_t i = 0; i < count; ++i) out[i] = tokens[static_cast<std::size_t>(start + i)];
      },
      tokens_);
}

}  // namespace kablate
