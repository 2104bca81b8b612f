// The data of a run: two token streams, train and validation, and the way back to text. Start here in data/.
//
//   DATASET=shakespeare  <data folder>/shakespeare/{train,validation}.txt, made by `make data`
//   DATASET=text         DATA_PATH is any UTF-8 file: the first 90 % of its characters train, the rest
//   validate DATASET=bin          DATA_PATH is a folder with nanoGPT's train.bin and val.bin (uint16,
//   little-endian)
//
// Ids of characters go by code point, over both splits together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "data/tokenizer.h"

namespace kablate {

struct Config;

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

class Dataset {
 public:
  virtual ~Dataset() = default;

  const TokenStream& train() const { return train_; }
  const TokenStream& validation() const { return validation_; }
  std::int64_t vocabulary() const { return vocabulary_; }  // ids in use: 0 to vocabulary() - 1
  const Tokenizer& tokenizer() const { return tokenizer_; }

  // What a user may want to know of the files before the training, a line each: characters that an editor
  // hides, ids that look unwritten.
  const std::vector<std::string>& notes() const { return notes_; }

  // SHA-256 in hex over the kind and the content, wherever the files lie. Reads all of it: ask once.
  virtual std::string hash() const = 0;

 protected:
  TokenStream train_, validation_;
  std::int64_t vocabulary_ = 0;
  Tokenizer tokenizer_ = Tokenizer::of_numbers(0);
  std::vector<std::string> notes_;
};

// Opens what DATASET and DATA_PATH name and checks all of it: files, encoding, every id against
// GPT2_VOCAB_SIZE (larger is padding), lengths against GPT2_BLOCK_SIZE. Throws UserError with the symbol, the
// value and what to do.
std::shared_ptr<const Dataset> open_dataset(const Config& config, const std::filesystem::path& data_folder);

}  // namespace kablate
