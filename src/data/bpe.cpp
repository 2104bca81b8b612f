#include "data/bpe.h"

#include <array>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "data/gpt2_pieces.h"
#include "data/utf8.h"

namespace kablate {
namespace {

constexpr std::size_t kBytes = 256;
constexpr std::string_view kHead = "#version";

// The bytes in the order of their ids, and the character that each is written as.
struct Alphabet {
  std::string bytes;
  std::unordered_map<char32_t, char> byte_of;

  Alphabet() {
    std::string hidden;
    for (unsigned byte = 0; byte < kBytes; ++byte) {
      const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      (visible ? bytes : hidden) += static_cast<char>(byte);
      byte_of[visible ? byte : kBytes + hidden.size() - 1] = static_cast<char>(byte);
    }
    bytes += hidden;
  }
};

std::string bytes_of_part(std::string_view part, const Alphabet& alphabet, const std::string& where) {
  std::string bytes;
  for (std::size_t position = 0; position < part.size();) {
    const char32_t point = read_code_point(part, position, where);
    const auto found = alphabet.byte_of.find(point);
    if (found == alphabet.byte_of.end())
      throw UserError(str(where, ": ", code_point_name(point), " stands for no byte"));
    bytes += found->second;
  }
  return bytes;
}

}  // namespace

Bpe::Bpe(std::string merges, std::string_view origin) : merges_(std::move(merges)) {
  const auto lines = split(merges_, '\n');
  if (!lines.front().starts_with(kHead))
    throw UserError(str(origin, ": no list of merges: its first line must begin with \"", kHead, "\""));
  const Alphabet alphabet;
  tokens_.reserve(kBytes + lines.size());  // ids_ keeps views of them
  const auto add = [&](std::string bytes) {
    tokens_.push_back(std::move(bytes));
    return ids_.emplace(tokens_.back(), std::ssize(tokens_) - 1).second;
  };
  for (const char byte : alphabet.bytes) add(std::string(1, byte));
  for (std::size_t i = 1; i < lines.size() && !(i + 1 == lines.size() && lines[i].empty()); ++i) {
    const std::string where = str(origin, ":", i + 1);
    const auto parts = split(lines[i], ' ');
    if (parts.size() != 2) throw UserError(str(where, ": no merge: expected two parts with a blank between"));
    std::string whole;
    for (const auto& part : parts) {
      const auto bytes = bytes_of_part(part, alphabet, where);
      if (find(bytes) < 0) throw UserError(str(where, ": merges \"", part, "\", which no line before makes"));
      whole += bytes;
    }
    if (!add(std::move(whole))) throw UserError(str(where, ": makes a token that is there already"));
  }
  tokens_.emplace_back(kEndOfText);
}

std::int64_t Bpe::find(std::string_view bytes) const {
  const auto found = ids_.find(bytes);
  return found == ids_.end() ? -1 : found->second;
}

std::vector<std::int64_t> Bpe::encode(std::string_view text, std::string_view origin) const {
  std::vector<std::int64_t> ids;
  for (const auto piece : gpt2_pieces(text, origin)) encode_piece(piece, ids);
  return ids;
}

// Of all neighbours that make a token, those of the lowest id first, of equal ones the leftmost: until there
// are none. A queue keeps a long piece cheap; what has become of its entries since is seen by their ends.
void Bpe::encode_piece(std::string_view piece, std::vector<std::int64_t>& ids) const {
  if (const auto id = find(piece); id >= 0) {
    ids.push_back(id);
    return;
  }
  const std::size_t size = piece.size();
  std::vector<std::size_t> end(size), before(size);  // of the part that begins at a byte; 0: none does
  for (std::size_t i = 0; i < size; ++i) end[i] = i + 1, before[i] = i - 1;
  using Merge = std::tuple<std::int64_t, std::size_t, std::size_t>;  // its id, first byte and end
  std::priority_queue<Merge, std::vector<Merge>, std::greater<>> queue;
  const auto offer = [&](std::size_t begin) {
    if (end[begin] == size) return;
    const std::size_t stop = end[end[begin]];
    if (const auto id = find(piece.substr(begin, stop - begin)); id >= 0) queue.emplace(id, begin, stop);
  };
  for (std::size_t i = 0; i < size; ++i) offer(i);
  while (!queue.empty()) {
    const auto [id, begin, stop] = queue.top();
    queue.pop();  // before it offers others, which may come first
    const std::size_t middle = end[begin];
    if (middle == 0 || middle >= stop || end[middle] != stop) continue;
    end[begin] = stop, end[middle] = 0;
    if (stop < size) before[stop] = begin;
    offer(begin);
    if (begin > 0) offer(before[begin]);
  }
  for (std::size_t i = 0; i < size; i = end[i]) ids.push_back(find(piece.substr(i, end[i] - i)));
}

}  // namespace kablate
