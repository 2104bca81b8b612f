// Characters as tokens. The file is read twice, once to learn the alphabet and once to number it, so that
// only the ids are kept in memory.
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <iterator>
#include <limits>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/mapped_file.h"
#include "data/sources.h"
#include "data/utf8.h"

namespace kablate {

// Bytes that are hardly text: a hole that a crash left, a file made at its size and never written. Refused
// before they are read, since there may be many.
void check_is_written(std::string_view bytes, const std::string& label) {
  constexpr std::size_t kLooked = 1 << 20, kFewest = 64;
  const auto start = bytes.substr(0, kLooked);
  const auto zeros = static_cast<std::size_t>(std::count(start.begin(), start.end(), '\0'));
  if (start.size() < kFewest || zeros < start.size() / 10 * 9) return;
  throw UserError(str(label, ": no text: ", grouped(static_cast<std::int64_t>(zeros)), " of its first ",
                      grouped(static_cast<std::int64_t>(start.size())),
                      " bytes are NUL; was it cut off by a crash, or never written?"));
}

// Characters that editors hide: each is kept, and is a token.
std::vector<std::string> notes_about(std::string_view bytes, const std::string& label) {
  const auto count = [&](char c) {
    return static_cast<std::int64_t>(std::count(bytes.begin(), bytes.end(), c));
  };
  std::vector<std::string> notes;
  if (bytes.starts_with("\xEF\xBB\xBF"))
    notes.push_back(
        str(label,
            ": begins with a byte-order mark, which is kept as a character, U+FEFF, as nanoGPT's preparation "
            "keeps it; to be without: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE"));
  if (const auto returns = count('\r'); returns > 0)
    notes.push_back(
        str(label, ": has ", grouped(returns),
            " carriage returns (line ends of Windows), which are kept as a character, U+000D; nanoGPT's "
            "preparation turns \\r\\n into \\n, so that its text is shorter and its vocabulary one smaller; "
            "to do the same: sed -i 's/\\r$//' FILE"));
  if (const auto zeros = count('\0'); zeros > 0)
    notes.push_back(
        str(label, ": has ", grouped(zeros), " NUL characters, the first at byte ", bytes.find('\0'),
            ", which are kept as a character, U+0000, as nanoGPT's preparation keeps them; was the file "
            "cut off by a crash, or is it UTF-16 (iconv -f UTF-16 -t UTF-8)?"));
  return notes;
}

namespace {

constexpr std::size_t kCodePoints = 0x110000;

struct TextFile {
  std::string label;
  MappedFile file;

  TextFile(const std::filesystem::path& path, const std::string& name, std::string_view remedy)
      : label(name), file(path, name, remedy) {}
};

// The distinct characters of all files, sorted; and how many characters each file has.
std::u32string alphabet_of(const std::vector<const TextFile*>& files, std::vector<std::size_t>& counts) {
  const auto seen = std::make_unique<std::bitset<kCodePoints>>();
  for (const auto* text : files) {
    const auto bytes = text->file.bytes();
    std::size_t count = 0;
    for (std::size_t position = 0; position < bytes.size(); ++count)
      seen->set(read_code_point(bytes, position, text->label));
    counts.push_back(count);
  }
  std::u32string alphabet;
  for (std::size_t point = 0; point < kCodePoints; ++point)
    if (seen->test(point)) alphabet += static_cast<char32_t>(point);
  return alphabet;
}

// That a model which knows the characters of `source` alone can read these.
void check_characters(const std::u32string& alphabet, const DataSource& source) {
  std::u32string strange;
  std::set_difference(alphabet.begin(), alphabet.end(), source.alphabet.begin(), source.alphabet.end(),
                      std::back_inserter(strange));
  if (strange.empty()) return;
  throw UserError(str(source.label, ": the text has ", strange.size(),
                      " characters that the model's data had not, the first ", code_point_name(strange[0]),
                      "; allowed: its ", source.alphabet.size(), " characters. Give a text of these"));
}

class TextDataset final : public StreamDataset {
 public:
  // One file is split at nine tenths, as nanoGPT does; two are the two splits.
  TextDataset(const DataSource& source, std::string kind, std::vector<std::unique_ptr<TextFile>> files)
      : kind_(std::move(kind)), files_(std::move(files)) {
    std::vector<const TextFile*> all;
    for (const auto& file : files_) {
      check_is_written(file->file.bytes(), file->label);
      all.push_back(file.get());
    }
    std::vector<std::size_t> counts;
    auto alphabet = alphabet_of(all, counts);
    if (!source.alphabet.empty()) {
      check_characters(alphabet, source);
      alphabet = source.alphabet;
    }
    for (const auto* file : all)
      for (auto& note : notes_about(file->file.bytes(), file->label)) notes_.push_back(std::move(note));
    vocabulary_ = static_cast<std::int64_t>(alphabet.size());
    if (vocabulary_ > source.vocabulary)
      throw UserError(str(source.label, ": the text has ", vocabulary_,
                          " distinct characters, GPT2_VOCAB_SIZE = ", source.vocabulary,
                          "; set GPT2_VOCAB_SIZE to ", vocabulary_, " or more"));
    std::size_t total = 0;
    for (const auto count : counts) total += count;
    const std::size_t first = files_.size() == 1 ? total / 10 * 9 + total % 10 * 9 / 10 : counts.front();
    tokenizer_ = Tokenizer::of_characters(alphabet);
    if (alphabet.size() <= std::size_t{std::numeric_limits<std::uint16_t>::max()} + 1)
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
    std::vector<Id> id_of(alphabet.back() + std::size_t{1});
    for (std::size_t id = 0; id < alphabet.size(); ++id) id_of[alphabet[id]] = static_cast<Id>(id);
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
