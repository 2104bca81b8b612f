// A text as one row of token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <variant>

namespace kablate {

// Token ids, two or four bytes each, owned or mapped. Cheap to copy.
class TokenStream {
 public:
  using Narrow = std::span<const std::uint16_t>;
  using Wide = std::span<const std::uint32_t>;

  TokenStream() = default;
  // `owner` keeps the memory behind `tokens` alive.
  TokenStream(std::variant<Narrow, Wide> tokens, std::shared_ptr<const void> owner)
      : tokens_(tokens), owner_(std::move(owner)) {}

  std::int64_t size() const;
  std::int64_t operator[](std::int64_t place) const;
  void copy(std::int64_t start, std::int64_t count, std::int64_t* out) const;  // throws std::out_of_range

 private:
  std::variant<Narrow, Wide> tokens_;
  std::shared_ptr<const void> owner_;
};

}  // namespace kablate
