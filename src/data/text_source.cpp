// Characters as tokens, of one text. The file is read twice, once to learn the alphabet and once to number
// it, so that only the ids are kept in memory.
#include <cstdint>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/sources.h"
#include "data/text_file.h"

namespace kablate {
namespace {

class TextDataset final : public StreamDataset {
 public:
  // One file is split at nine tenths, as nanoGPT does; two are the two splits.
  TextDataset(const DataSource& source, std::string kind, std::vector<std::unique_ptr<TextFile>> files)
      : kind_(std::move(kind)), files_(std::move(files)) {
    std::vector<const TextFile*> all;
    for (const auto& file : files_) all.push_back(file.get());
    std::vector<std::size_t> counts;
    const auto alphabet = checked_alphabet(source, all, counts);
    for (const auto* file : all)
      for (auto& note : notes_about(file->file.bytes(), file->label)) notes_.push_back(std::move(note));
    vocabulary_ = std::ssize(alphabet);
    std::size_t total = 0;
    for (const auto count : counts) total += count;
    const std::size_t first = files_.size() == 1 ? total / 10 * 9 + total % 10 * 9 / 10 : counts.front();
    tokenizer_ = Tokenizer::of_characters(alphabet);
    if (alphabet.size() <= kNarrowAlphabet)
      number<std::uint16_t>(alphabet, total, first);
    else
      number<std::uint32_t>(alphabet, total, first);
    check_splits(source);
  }

  std::string hash() const override {
    Sha256 hash;
    hash.add(kind_.data(), kind_.size());
    for (const auto& text : files_) {
      // The lengths keep two files apart from the same bytes cut elsewhere.
      const auto bytes = text->file.bytes();
      const std::string length = str("/", bytes.size(), "/");
      hash.add(length.data(), length.size());
      hash.add(bytes.data(), bytes.size());
    }
    return hex(hash.finish());
  }

 private:
  template <typename Id>
  void number(const std::u32string& alphabet, std::size_t total, std::size_t first) {
    const auto id_of = numbers_of<Id>(alphabet);
    const auto ids = std::make_shared<std::vector<Id>>();
    ids->reserve(total);
    for (const auto& text : files_) {
      const auto bytes = text->file.bytes();
      for (std::size_t position = 0; position < bytes.size();)
        ids->push_back(id_of[read_code_point(bytes, position, text->label)]);
    }
    const std::span<const Id> all(*ids);
    train_ = TokenStream(all.first(first), ids);
    validation_ = TokenStream(all.subspan(first), ids);
  }

  // A text that repeats itself does so in both of its parts; of two files, one is the wrong one.
  void check_splits(const DataSource& source) {
    const auto leak = validation_is_trained_on(train_, validation_);
    if (leak.empty()) return;
    if (files_.size() > 1)
      throw UserError(str(source.label, ": ", leak, "; prepare the texts again with `make data`"));
    notes_.push_back(str(source.label, ": ", leak, "; a text that repeats itself less has another"));
  }

  std::string kind_;
  std::vector<std::unique_ptr<TextFile>> files_;
};

}  // namespace

std::shared_ptr<const StreamDataset> open_text(const DataSource& source) {
  std::vector<std::unique_ptr<TextFile>> files;
  files.push_back(std::make_unique<TextFile>(
      source.path, source.label, "DATASET = text needs the path of a UTF-8 text file in DATA_PATH"));
  return std::make_shared<TextDataset>(source, "text", std::move(files));
}

std::shared_ptr<const StreamDataset> open_shakespeare(const DataSource& source) {
  std::vector<std::unique_ptr<TextFile>> files;
  for (const char* name : {"train.txt", "validation.txt"}) {
    const auto path = source.path / name;
    files.push_back(std::make_unique<TextFile>(path, str(source.label, ": ", path.string()),
                                               "prepare the text with `make data`"));
  }
  return std::make_shared<TextDataset>(source, "shakespeare", std::move(files));
}

}  // namespace kablate
