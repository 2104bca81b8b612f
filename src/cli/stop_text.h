// What ends a text that is drawn, `sample --stop`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer.h"

namespace kablate {

// Tokens where each is a character or a number; of byte pairs, which may cut it anywhere, text.
struct Stop {
  std::vector<std::int64_t> ids;
  std::string text;
};

// Of what a user gave, "" for none, where `tokens` of the `drawable` ids, sorted, are drawn. Throws UserError
// where no text could ever hold it.
Stop checked_stop(const std::string& given, std::int64_t tokens, const Tokenizer& tokenizer,
                  const std::vector<std::int64_t>& drawable);

// One text as it is drawn. What the constructor is given must outlive the object.
class Drawn {
 public:
  Drawn(const Tokenizer& tokenizer, const Stop& stop) : tokenizer_(tokenizer), stop_(stop) {}

  void add(std::int64_t id);
  bool ended() const;

  // How much of text() can't be taken back: all but an end that may begin what stops it, or is that.
  std::size_t settled() const;
  const std::string& text() const { return text_; }

 private:
  const Tokenizer& tokenizer_;
  const Stop& stop_;
  std::vector<std::int64_t> ids_;
  std::string text_;                       // bytes, of byte pairs perhaps with a part of a character
  std::vector<std::size_t> ends_;          // of each token in it
  std::size_t found_ = std::string::npos;  // where stop_.text begins
};

// Whether `stop` stands in the text of `ids`, of which all but the last did not hold it.
bool last_token_ends(std::span<const std::int64_t> ids, const Tokenizer& tokenizer, const std::string& stop);

}  // namespace kablate
