// The data of a run: sequences by number, to train and to evaluate on, and the way back to text. Start here
// in data/.
//
//   DATASET=shakespeare  <data folder>/shakespeare/{train,validation}.txt, made by `make data`
//   DATASET=text         DATA_PATH is any UTF-8 file: 90 % of its characters train, the rest validate
//   DATASET=bin          DATA_PATH is a folder or a glob of files of 16-bit ids (data/token_files.h)
//   DATASET=lines        DATA_PATH is any UTF-8 file: a sequence a line (data/lines_dataset.h)
//   DATASET=mqar …       made from a seed, with labels (data/synthetic_dataset.h)
//
// Ids of characters go by code point, over both splits together. With TOKENIZER=gpt2 the tokens of plays and
// texts, cut into the same splits, are read from <data folder>/gpt2/, where `make data-bpe` puts them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/tokenizer.h"

namespace kablate {

struct Config;

enum class Split { kTrain, kValidation };

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Training samples first, …, first + count - 1, T tokens each: functions of (seed, number) alone, whatever
  // the batch that they stand in.
  virtual Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count,
                        std::int64_t T) const = 0;

  // What a split is evaluated on: how many sequences of T tokens it has, and those of these numbers (from 0).
  virtual std::int64_t num_windows(Split split, std::int64_t T) const = 0;
  virtual Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const = 0;

  // The same set as a trial with this data seed has it, where its training split hangs on that; else null.
  virtual std::shared_ptr<const Dataset> with_seed(std::uint64_t) const { return nullptr; }

  std::int64_t vocabulary() const { return vocabulary_; }  // ids in use: 0 to vocabulary() - 1
  const Tokenizer& tokenizer() const { return tokenizer_; }

  // What a user may want to know of the files before the training, a line each: characters that an editor
  // hides, ids that look unwritten.
  const std::vector<std::string>& notes() const { return notes_; }

  // SHA-256 in hex over the kind and the content, wherever the files lie. Reads all of it, token files of
  // more than 1 GiB the first time alone (file_hashes.h): ask once.
  virtual std::string hash() const = 0;

 protected:
  std::int64_t vocabulary_ = 0;
  Tokenizer tokenizer_ = Tokenizer::of_numbers(0);
  std::vector<std::string> notes_;
};

// The data as a trial with this data seed (data/sample_order.h) reads them.
std::shared_ptr<const Dataset> as_trained_on(std::shared_ptr<const Dataset> data, std::uint64_t seed);

// Opens what DATASET and DATA_PATH name and checks all of it (of large token files the ids only as they are
// read): files, encoding, every id against GPT2_VOCAB_SIZE (larger is padding), lengths against
// GPT2_BLOCK_SIZE, and that a file for training does not hold the one for validation (of a text that is split
// here, which may repeat itself, it is a note). Throws UserError with the symbol, the value and what to do.
// With a `tokenizer`, that of a trained model, a text is numbered by its characters instead of the text's
// own, and may have no others.
//
// With OBJECTIVE=masked_token GPT2_VOCAB_SIZE has room for the mask token, id vocabulary(), which is none of
// the tokenizer's; other data than a trained model's may then have no ids past those of its `tokenizer`.
std::shared_ptr<const Dataset> open_dataset(const Config& config, const std::filesystem::path& data_folder,
                                            const Tokenizer* tokenizer = nullptr);

// What GPT2_VOCAB_SIZE = 0 comes to, whatever it is here: the number of the data's ids, with the mask token.
// Opens the data, and throws as open_dataset does.
std::int64_t needed_vocabulary(Config config, const std::filesystem::path& data_folder);

}  // namespace kablate
