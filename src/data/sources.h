// The kinds of data behind open_dataset, one file each family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/stream_dataset.h"

namespace kablate {

struct DataSource {
  std::filesystem::path path;   // a file or a folder, by kind
  std::string label;            // how messages name it: "DATA_PATH = x"
  std::int64_t vocabulary = 0;  // GPT2_VOCAB_SIZE; 0: as many as there are
  std::int64_t reserved = 0;    // of these, the mask token's, which the data may not use
  std::int64_t known = 0;       // the ids of the model's own data, where its mask token stands behind them
  bool may_repeat = false;      // a training split that holds the validation split is a note, no error
  std::vector<std::string> notes = {};  // of the text that the files were made of
  std::u32string alphabet = {};         // what a text's characters are numbered by; empty: the text's own

  std::int64_t most_ids() const;  // the data's ids are below it
  std::string size_text() const;  // of messages: what says so
};

// Where a text's tokens lie once `make data-bpe` has made them: a folder named by what they were made of.
struct EncodedTexts {
  std::vector<std::filesystem::path> texts;  // one, of which nine tenths train; or those of the two splits
  std::filesystem::path folder;              // of all such folders
};

// Each throws UserError that starts with the label if a file
// is missing, unreadable, malformed or out of vocabulary.
std::shared_ptr<const StreamDataset> open_shakespeare(const DataSource& source);  // text_source.cpp
std::shared_ptr<const StreamDataset> open_text(const DataSource& source);         // text_source.cpp
std::shared_ptr<const StreamDataset> open_bin(const DataSource& source);          // bin_source.cpp
// The source's path is not read. encoded_source.cpp
std::shared_ptr<const StreamDataset> open_encoded(const DataSource& source, const EncodedTexts& texts);

}  // namespace kablate
