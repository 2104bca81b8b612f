// Files of 16-bit token ids: which ones DATA_PATH means, and what is in one.
//
//   nanoGPT    bare ids, little-endian
//   llm.c      a header of 256 int32 (magic 20240520, version 1, the number of ids), then the ids
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/mapped_file.h"
#include "data/sources.h"

namespace kablate {

struct TokenFile {
  std::filesystem::path path;
  std::string label;  // "DATA_PATH = x: train.bin"
  std::shared_ptr<const MappedFile> file;
  std::int64_t header = 0;  // bytes before the ids
  std::span<const std::uint16_t> tokens;
};

// The files of both splits, each in the order of their names. Throws UserError starting with the source's
// label.
struct TokenFiles {
  std::vector<TokenFile> train, validation;

  std::int64_t total_bytes() const;
};

// Of a folder train.bin and val.bin, or else all of its *.bin; of a glob what it matches. A file validates if
// its name (not its folder's) holds "val". Looks at the beginnings alone.
TokenFiles open_token_files(const DataSource& source);

// What meta.json beside the files says: {"vocab_size": N, "tokenizer": "NAME"}, and more that is not read.
struct TokenMeta {
  std::string path;
  std::int64_t vocabulary = 0;
  std::string tokenizer;  // its name; "" where it is not said
  std::string merges;     // the path of vocab.bpe beside it, by which ids are text; "" where there is none
};

// None where there is no meta.json. Throws UserError if it is something else, or if the files' folders don't
// all have the same.
std::optional<TokenMeta> read_token_meta(const TokenFiles& files);

}  // namespace kablate
