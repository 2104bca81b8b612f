#include "data/gpt2_pieces.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "data/utf8.h"

namespace kablate {
namespace {

enum class Kind : char { kOther, kLetter, kNumber, kSpace, kEnd };

struct Range {
  char32_t first, last;
  Kind kind;
};
constexpr Kind L = Kind::kLetter, N = Kind::kNumber, S = Kind::kSpace;
// Sorted; written by scripts/unicode_classes.py.
constexpr Range kRanges[] = {
#include "data/unicode_classes.inc"
};

Kind kind_of(char32_t point) {
  const auto* after = std::upper_bound(std::begin(kRanges), std::end(kRanges), point,
                                       [](char32_t p, const Range& range) { return p < range.first; });
  if (after == std::begin(kRanges) || std::prev(after)->last < point) return Kind::kOther;
  return std::prev(after)->kind;
}

struct Character {
  std::size_t place;  // of its first byte
  char32_t point;
  Kind kind;
};

// With one behind the last.
std::vector<Character> characters(std::string_view text, std::string_view origin) {
  std::vector<Character> all;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t place = position;
    const char32_t point = read_code_point(text, position, origin);
    all.push_back({place, point, kind_of(point)});
  }
  all.push_back({text.size(), 0, Kind::kEnd});
  return all;
}

// How many characters of a contraction begin at the apostrophe `all[i]`; 0 if it is none of those.
std::size_t contraction(const std::vector<Character>& all, std::size_t i) {
  if (all[i].point != U'\'') return 0;
  const char32_t first = all[i + 1].point, second = first == 0 ? 0 : all[i + 2].point;
  if (first == U's' || first == U'd' || first == U'm' || first == U't') return 2;
  const bool two = (first == U'l' && second == U'l') || (first == U'v' && second == U'e') ||
                   (first == U'r' && second == U'e');
  return two ? 3 : 0;
}

}  // namespace

std::vector<std::string_view> gpt2_pieces(std::string_view text, std::string_view origin) {
  const auto all = characters(text, origin);
  const auto run = [&](std::size_t i, Kind kind) {
    while (all[i].kind == kind) ++i;
    return i;
  };
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0, end = 0; all[i].kind != Kind::kEnd; i = end) {
    const std::size_t word = i + (all[i].point == U' ' ? 1 : 0);
    const Kind kind = all[word].kind;
    if (const auto count = contraction(all, i); count > 0) {
      end = i + count;
    } else if (kind == Kind::kSpace || kind == Kind::kEnd) {
      end = run(i, Kind::kSpace);
      // The last of several stays for what follows it.
      if (all[end].kind != Kind::kEnd && end - i > 1) --end;
    } else {
      end = run(word, kind);
    }
    pieces.push_back(text.substr(all[i].place, all[end].place - all[i].place));
  }
  return pieces;
}

}  // namespace kablate
