// nanoGPT's token files, mapped, never copied.
#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/hash.h"
#include "base/input_file.h"
#include "base/text.h"
#include "data/mapped_file.h"
#include "data/sources.h"
#include "data/token_format.h"

namespace kablate {
namespace {

static_assert(std::endian::native == std::endian::little,
              "token files are little-endian and used as they lie");

using Tokens = TokenStream::Narrow;

class BinDataset final : public StreamDataset {
 public:
  explicit BinDataset(const DataSource& source) {
    train_ = open(source, "train.bin", 0);
    validation_ = open(source, "val.bin", 1);
    if (const auto leak = validation_is_trained_on(train_, validation_); !leak.empty())
      throw UserError(str(source.label, ": ", leak, "; write another val.bin"));
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 0; id < vocabulary_; ++id)
      if (seen_[static_cast<std::size_t>(id)]) ids.push_back(id);
    tokenizer_ = Tokenizer::of_numbers(source.vocabulary, std::move(ids));
  }

  std::string hash() const override {
    Sha256 hash;
    for (const auto& file : files_) {
      const auto bytes = file->bytes();
      const std::string head = str("bin/", bytes.size(), "/");
      hash.add(head.data(), head.size());
      hash.add(bytes.data(), bytes.size());
    }
    return hex(hash.finish());
  }

 private:
  TokenStream open(const DataSource& source, const char* name, std::size_t place) {
    const std::string label = str(source.label, ": ", name);
    files_[place] = std::make_shared<MappedFile>(
        source.path / name, label,
        "DATASET = bin needs a folder with train.bin and val.bin, which nanoGPT's data/*/prepare.py writes");
    const auto bytes = files_[place]->bytes();
    if (const auto format = foreign_token_format(bytes); !format.empty())
      throw UserError(str(label, ": ", format));
    if (bytes.size() % 2 != 0)
      throw UserError(str(label, ": ", bytes.size(),
                          " bytes are no whole number of uint16 tokens: the file was cut "
                          "short; write it again"));
    const Tokens tokens(reinterpret_cast<const std::uint16_t*>(bytes.data()), bytes.size() / 2);
    check_vocabulary(tokens, source.vocabulary, label);
    note_zeros(tokens, label);
    return TokenStream(tokens, files_[place]);
  }

  void check_vocabulary(Tokens tokens, std::int64_t most, const std::string& label) {
    for (const auto token : tokens) seen_[token] = true;
    const std::int64_t largest = *std::max_element(tokens.begin(), tokens.end());
    vocabulary_ = std::max(vocabulary_, largest + 1);
    if (largest < most) return;
    const auto first = std::find_if(tokens.begin(), tokens.end(), [&](auto token) { return token >= most; });
    const auto format = fitting_token_format(tokens, most);
    throw UserError(str(label, ": token ", *first, " at byte ", 2 * (first - tokens.begin()),
                        " (the largest is ", largest, "), GPT2_VOCAB_SIZE = ", most,
                        format.empty() ? "" : "; ", format, "; set GPT2_VOCAB_SIZE to ", largest + 1,
                        " or more, or use the right files"));
  }

  // A file is often made at its full size and then filled: what never was is 0.
  void note_zeros(Tokens tokens, const std::string& label) {
    const auto last = std::find_if(tokens.rbegin(), tokens.rend(), [](auto token) { return token != 0; });
    const auto zeros = static_cast<std::int64_t>(last - tokens.rbegin());
    constexpr std::int64_t kMany = 1000;
    if (zeros < kMany) return;
    notes_.push_back(str(label, ": its last ", grouped(zeros), " of ", grouped(std::ssize(tokens)),
                         " tokens are 0; was its preparation interrupted?"));
  }

  std::array<std::shared_ptr<MappedFile>, 2> files_;
  std::vector<bool> seen_ = std::vector<bool>(std::size_t{1} << 16);  // by id, in either file
};

}  // namespace

std::shared_ptr<const StreamDataset> open_bin(const DataSource& source) {
  std::error_code ignored;
  if (std::filesystem::exists(source.path, ignored) && !std::filesystem::is_directory(source.path, ignored)) {
    const auto kind = other_than_file(source.path);
    throw UserError(
        str(source.label, ": is ", kind.empty() ? "a file" : kind,
            ", not a folder; DATASET = bin needs the folder that holds nanoGPT's train.bin and val.bin"));
  }
  return std::make_shared<BinDataset>(source);
}

}  // namespace kablate
