// The three kinds of data behind open_dataset, one file each family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/stream_dataset.h"

namespace kablate {

struct DataSource {
  std::filesystem::path path;    // a file or a folder, by kind
  std::string label;             // how messages name it: "DATA_PATH = x"
  std::int64_t vocabulary = 0;   // GPT2_VOCAB_SIZE, the most ids that the data may use
  std::u32string alphabet = {};  // what a text's characters are numbered by; empty: the text's own
};

// Each throws UserError that starts with the label if a file
// is missing, unreadable, malformed or out of vocabulary.
std::shared_ptr<const StreamDataset> open_shakespeare(const DataSource& source);  // text_source.cpp
std::shared_ptr<const StreamDataset> open_text(const DataSource& source);         // text_source.cpp
std::shared_ptr<const StreamDataset> open_bin(const DataSource& source);          // bin_source.cpp

}  // namespace kablate
