#include "data/token_stream.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"

namespace kablate {

void TokenStream::append(std::variant<Narrow, Wide> tokens, std::shared_ptr<const void> owner,
                         std::int64_t bound, std::string label, std::int64_t header) {
  const auto size = std::visit([](const auto& ids) { return std::ssize(ids); }, tokens);
  pieces_.push_back({tokens, std::move(owner), size_, size, bound, std::move(label), header});
  size_ += size;
}

std::int64_t TokenStream::operator[](std::int64_t place) const {
  std::int64_t token = 0;
  copy(place, 1, &token);
  return token;
}

void TokenStream::copy(std::int64_t start, std::int64_t count, std::int64_t* out) const {
  if (start < 0 || count < 0 || start > size() - count)
    throw std::out_of_range(str("tokens ", start, " to ", start + count, " of ", size()));
  const auto begins_later = [](std::int64_t place, const Piece& piece) { return place < piece.begin; };
  auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), start, begins_later);
  while (count > 0) {
    const auto& from = *std::prev(piece);
    const std::int64_t here = std::min(count, from.begin + from.size - start);
    if (here > 0) copy(from, start - from.begin, here, out);
    start += here, count -= here, out += here;
    ++piece;
  }
}

void TokenStream::copy(const Piece& piece, std::int64_t start, std::int64_t count, std::int64_t* out) {
  std::visit(
      [&](const auto& tokens) {
        for (std::int64_t i = 0; i < count; ++i) out[i] = tokens[static_cast<std::size_t>(start + i)];
        if (piece.bound == 0) return;
        const auto* strange = std::find_if(out, out + count, [&](auto id) { return id >= piece.bound; });
        if (strange == out + count) return;
        const auto byte =
            piece.header + (start + (strange - out)) * std::ssize(std::as_bytes(tokens.first(1)));
        throw UserError(
            str(piece.label, ": token ", *strange, " at byte ", byte, "; allowed: ids below ", piece.bound,
                ", which meta.json or GPT2_VOCAB_SIZE says. Set it higher, or use the right files"));
      },
      piece.tokens);
}

}  // namespace kablate
