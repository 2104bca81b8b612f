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

namespace kablate {
namespace {

static_assert(std::endian::native == std::endian::little,
              "token files are little-endian and used as they lie");

using Tokens = TokenStream::Narrow;

class BinDataset final : public Dataset {
 public:
  explicit BinDataset(const DataSource& source) {
    train_ = open(source, "train.bin", 0);
    validation_ = open(source, "val.bin", 1);
    tokenizer_ = Tokenizer::of_numbers(source.vocabulary);
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
    if (bytes.size() % 2 != 0)
      throw UserError(str(label, ": ", bytes.size(),
                          " bytes are no whole number of uint16 tokens: the file was cut "
                          "short; write it again"));
    const Tokens tokens(reinterpret_cast<const std::uint16_t*>(bytes.data()), bytes.size() / 2);
    check_vocabulary(tokens, source.vocabulary, label);
    return TokenStream(tokens, files_[place]);
  }

  void check_vocabulary(Tokens tokens, std::int64_t most, const std::string& label) {
    const std::int64_t largest = *std::max_element(tokens.begin(), tokens.end());
    vocabulary_ = std::max(vocabulary_, largest + 1);
    if (largest < most) return;
    const auto first = std::find_if(tokens.begin(), tokens.end(), [&](auto token) { return token >= most; });
    throw UserError(str(label, ": token ", *first, " at byte ", 2 * (first - tokens.begin()),
                        " (the largest is ", largest, "), GPT2_VOCAB_SIZE = ", most,
                        "; set GPT2_VOCAB_SIZE to ", largest + 1, " or more, or use the right files"));
  }

  std::array<std::shared_ptr<MappedFile>, 2> files_;
};

}  // namespace

std::shared_ptr<const Dataset> open_bin(const DataSource& source) {
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
