// GPT-2's byte-pair encoding, from its list of merges.
//
//   merges  ::= "#version: 0.2" LINE*       OpenAI's vocab.bpe
//   LINE    ::= PART " " PART "\n"          two tokens that become one, the earlier line first
//   PART    ::= characters that stand for bytes: visible ones of Latin-1 for themselves, the others, in
//               their order, are U+0100, U+0101, …
//
// Ids: the 256 bytes, visible ones first; then the merges by line; the end of a text last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kablate {

class Bpe {
 public:
  static constexpr std::string_view kEndOfText = "<|endoftext|>";

  // Throws UserError that starts with `origin` and says the line if `merges` is something else.
  Bpe(std::string merges, std::string_view origin);
  Bpe(const Bpe&) = delete;
  Bpe& operator=(const Bpe&) = delete;

  std::int64_t vocabulary() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t end_of_text() const { return vocabulary() - 1; }

  // REQUIRES: 0 <= id < vocabulary(). The bytes may be a part of a character.
  std::string_view bytes(std::int64_t id) const { return tokens_[static_cast<std::size_t>(id)]; }

  // As tiktoken's encode_ordinary: "<|endoftext|>" is text. Throws UserError if `text` is no UTF-8.
  std::vector<std::int64_t> encode(std::string_view text, std::string_view origin) const;

  const std::string& merges() const { return merges_; }

 private:
  std::int64_t find(std::string_view bytes) const;  // its id, or -1
  void encode_piece(std::string_view piece, std::vector<std::int64_t>& ids) const;

  std::string merges_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, std::int64_t> ids_;
};

}  // namespace kablate
