// Between text and token ids: a vocabulary of characters, GPT-2's byte pairs, or bare numbers for data that
// brings ids of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace kablate {

class Bpe;

class Tokenizer {
 public:
  // One token a character. `alphabet` is sorted by code point, none twice; an id is a place in it.
  static Tokenizer of_characters(std::u32string alphabet);

  // Text is ids as decimal numbers separated by blanks; 0 <= id < `vocabulary`. `ids` are those that the data
  // have, sorted; empty is all. `name` says what made them of text ("gpt2"), where that is known.
  static Tokenizer of_numbers(std::int64_t vocabulary, std::vector<std::int64_t> ids = {},
                              std::string name = "");

  // `ids` as above; `name` is what meta.json calls the vocabulary.
  static Tokenizer of_bpe(std::shared_ptr<const Bpe> bpe, std::vector<std::int64_t> ids, std::string name);

  // Reads what to_json wrote. `origin` (a path) starts the message of the UserError if it is something else.
  static Tokenizer from_json(const Json& json, std::string_view origin);
  // {"kind": "characters", "alphabet": ["\n", " ", …]},
  // {"kind": "numbers", "vocabulary": n, "ids": "0-5, 7", "tokenizer": "gpt2"}, or
  // {"kind": "bpe", "merges": "#version…", "ids": "0-5, 7", "tokenizer": "gpt2"}
  Json to_json() const;

  std::int64_t vocabulary() const { return vocabulary_; }

  // The ids that the data have, sorted: what may be drawn.
  std::vector<std::int64_t> ids() const;

  // Of what a user writes. Throws UserError starting with `origin` ("--prompt") if the text is no UTF-8, has
  // a character that is not in the vocabulary, or has a number that is none or out of range. Of byte pairs
  // <|endoftext|> is the token of that name where the data have it, and text where not.
  std::vector<std::int64_t> encode(std::string_view text, std::string_view origin) const;

  // What a text may begin with: of byte pairs the end of a text, or else a line end, if the data have it;
  // otherwise their first id, which in most texts is a line end.
  std::int64_t first() const;

  // The text as its tokens have it: of byte pairs it may begin or end within a character.
  std::string bytes(const std::vector<std::int64_t>& ids) const;

  // The same as UTF-8. An id past the vocabulary (a model's padding rows) prints as U+FFFD, or as its number;
  // so do bytes that make no character.
  std::string decode(const std::vector<std::int64_t>& ids) const;

  // What bytes() adds for one id more behind others.
  std::string decode_next(std::int64_t id) const;

  // How many bytes of text an id is, as UTF-8; 0 for the end of a text. None for bare numbers, and for ids
  // past the vocabulary.
  std::optional<std::int64_t> bytes_of(std::int64_t id) const;

  bool is_characters() const { return !alphabet_.empty(); }
  bool is_bpe() const { return bpe_ != nullptr; }
  const std::u32string& alphabet() const { return alphabet_; }  // empty for numbers

 private:
  std::vector<std::int64_t> encode_characters(std::string_view text, std::string_view origin) const;
  std::vector<std::int64_t> encode_numbers(std::string_view text, std::string_view origin) const;
  std::vector<std::int64_t> encode_bpe(std::string_view text, std::string_view origin) const;
  bool have(std::int64_t id) const;  // the data

  std::u32string alphabet_;         // of characters
  std::shared_ptr<const Bpe> bpe_;  // of byte pairs
  std::int64_t vocabulary_ = 0;
  std::vector<std::int64_t> ids_;  // empty: all
  std::string name_;
};

}  // namespace kablate
