// How GPT-2's encoding cuts a text before it merges bytes: no token reaches over a cut.
#pragma once

#include <string_view>
#include <vector>

namespace kablate {

// The matches, one after the other, of
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// with the classes of Unicode's version in unicode_classes.inc. Throws UserError that starts with `origin` if
// `text` is no UTF-8.
std::vector<std::string_view> gpt2_pieces(std::string_view text, std::string_view origin);

}  // namespace kablate
