// A text as one row of token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kablate {

// Token ids, two or four bytes each, owned or mapped, in one piece or in several that follow one another.
// Cheap to copy.
class TokenStream {
 public:
  using Narrow = std::span<const std::uint16_t>;
  using Wide = std::span<const std::uint32_t>;

  TokenStream() = default;
  // `owner` keeps the memory behind `tokens` alive.
  TokenStream(std::variant<Narrow, Wide> tokens, std::shared_ptr<const void> owner) { append(tokens, owner); }

  // Adds a piece. Where nobody has looked at its ids yet, copy() asks for each whether it is below `bound`
  // (0: known to be right) and throws UserError with `label` and the byte where not; `header` bytes stand
  // before them in their file.
  void append(std::variant<Narrow, Wide> tokens, std::shared_ptr<const void> owner, std::int64_t bound = 0,
              std::string label = "", std::int64_t header = 0);

  std::int64_t size() const { return size_; }
  std::int64_t operator[](std::int64_t place) const;
  void copy(std::int64_t start, std::int64_t count, std::int64_t* out) const;  // throws std::out_of_range

 private:
  struct Piece {
    std::variant<Narrow, Wide> tokens;
    std::shared_ptr<const void> owner;
    std::int64_t begin, size;  // in the row
    std::int64_t bound;
    std::string label;
    std::int64_t header;
  };
  static void copy(const Piece& piece, std::int64_t start, std::int64_t count, std::int64_t* out);

  std::vector<Piece> pieces_;
  std::int64_t size_ = 0;
};

}  // namespace kablate
