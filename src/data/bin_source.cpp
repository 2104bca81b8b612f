// Token ids in files, mapped, never copied. Few are looked through when they are opened, so that a wrong one
// is named at once; of many each window is, as it is read.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/bpe.h"
#include "data/file_hashes.h"
#include "data/sources.h"
#include "data/token_files.h"
#include "data/token_format.h"

namespace kablate {
namespace {

using NarrowTokens = TokenStream::Narrow;

constexpr std::int64_t kLookedThrough = std::int64_t{1} << 28;  // bytes of all files together, at most
constexpr std::int64_t kHashedWhole = std::int64_t{1} << 30;    // likewise; of more the sums are remembered

class BinDataset final : public StreamDataset {
 public:
  explicit BinDataset(const DataSource& source)
      : files_(open_token_files(source)), meta_(read_token_meta(files_)) {
    bound_ = source.most_ids(), size_text_ = source.size_text(), reserved_ = source.reserved;
    known_ = source.known > 0;
    notes_ = source.notes;
    check_meta(source);
    const bool look = files_.total_bytes() <= kLookedThrough;
    std::vector<std::int64_t> ids;
    if (look) ids = look_through();
    if (source.vocabulary == 0 && !meta_ && !look)
      throw UserError(str("GPT2_VOCAB_SIZE = 0: ", source.label, " holds more than ",
                          human_bytes(static_cast<double>(kLookedThrough)),
                          ", which are not looked through for their largest id, and no meta.json says "
                          "vocab_size; set GPT2_VOCAB_SIZE, or write meta.json"));
    vocabulary_ = meta_ || known_ || ids.empty() ? bound_ : ids.back() + 1;
    // Who has the tokenizer alone must find the mask token behind its ids.
    if (source.reserved > 0 || source.vocabulary == 0) bound_ = vocabulary_;
    tokenizer_ = tokenizer_of(std::move(ids));
    for (const auto& file : files_.train) add(train_, file, look);
    for (const auto& file : files_.validation) add(validation_, file, look);
    check_splits(source);
  }

  std::string hash() const override {
    Sha256 hash;
    const auto add = [&](std::string_view bytes) { hash.add(bytes.data(), bytes.size()); };
    if (meta_) add(str("meta/", meta_->vocabulary, "/"));
    const bool whole = files_.total_bytes() <= kHashedWhole;
    std::vector<TokenFile> all = files_.train;
    all.insert(all.end(), files_.validation.begin(), files_.validation.end());
    std::vector<std::filesystem::path> paths;
    for (const auto& file : all) paths.push_back(file.path);
    const auto sums = whole ? std::vector<std::string>() : sha256_of_large(paths);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto bytes = all[i].file->bytes();
      add(str(whole ? "bin/" : "sha256 of bin/", bytes.size(), "/"));
      add(whole ? bytes : std::string_view(sums[i]));
    }
    // Where one split ends, which two files of nanoGPT's need not say.
    if (files_.train.size() + files_.validation.size() > 2) add(str("train/", files_.train.size()));
    return hex(hash.finish());
  }

 private:
  void check_meta(const DataSource& source) {
    if (!meta_) return;
    const auto has = str(meta_->path, ": vocab_size = ", meta_->vocabulary, ", ", size_text_);
    if (known_ && meta_->vocabulary != source.known)
      throw UserError(has + "; give data of the model's own vocabulary");
    if (meta_->vocabulary > bound_)
      throw UserError(str(has, "; set GPT2_VOCAB_SIZE to ", meta_->vocabulary + reserved_, " or more"));
    bound_ = meta_->vocabulary;
  }

  void add(TokenStream& stream, const TokenFile& file, bool known) const {
    stream.append(file.tokens, file.file, known ? 0 : bound_, file.label, file.header);
  }

  // Byte pairs where their merges lie beside meta.json, else bare numbers.
  Tokenizer tokenizer_of(std::vector<std::int64_t> ids) const {
    const std::string name = meta_ ? meta_->tokenizer : "";
    if (!meta_ || meta_->merges.empty()) return Tokenizer::of_numbers(bound_, std::move(ids), name);
    auto bpe = std::make_shared<const Bpe>(read_text(meta_->merges), meta_->merges);
    if (bpe->vocabulary() != bound_)
      throw UserError(str(meta_->path, ": vocab_size = ", bound_, ", and ", meta_->merges, " makes ",
                          bpe->vocabulary(),
                          " tokens; put the file there that the ids were made by, or none"));
    return Tokenizer::of_bpe(std::move(bpe), std::move(ids), name);
  }

  void check_splits(const DataSource& source) {
    const auto leak = validation_is_trained_on(train_, validation_);
    if (validation_.size() == 0 || leak.empty()) return;
    if (!source.may_repeat) throw UserError(str(source.label, ": ", leak, "; write another val.bin"));
    notes_.push_back(str(source.label, ": ", leak, "; a text that repeats itself less has another"));
  }

  // The ids that are there, sorted.
  std::vector<std::int64_t> look_through() {
    std::vector<bool> seen(std::size_t{1} << 16);
    for (const auto* split : {&files_.train, &files_.validation})
      for (const auto& file : *split) {
        for (const auto token : file.tokens) seen[token] = true;
        check_vocabulary(file);
        note_zeros(file);
      }
    std::vector<std::int64_t> ids;
    for (std::size_t id = 0; id < seen.size(); ++id)
      if (seen[id]) ids.push_back(static_cast<std::int64_t>(id));
    return ids;
  }

  void check_vocabulary(const TokenFile& file) const {
    const NarrowTokens tokens = file.tokens;
    const auto first =
        std::find_if(tokens.begin(), tokens.end(), [&](auto token) { return token >= bound_; });
    if (first == tokens.end()) return;
    const std::int64_t largest = *std::max_element(tokens.begin(), tokens.end());
    const auto format = fitting_token_format(tokens, bound_);
    throw UserError(
        str(file.label, ": token ", *first, " at byte ", file.header + 2 * (first - tokens.begin()),
            " (the largest is ", largest, "), ",
            meta_ ? str(meta_->path, " says vocab_size = ", bound_) : size_text_, format.empty() ? "" : "; ",
            format,
            known_ ? "; give files of the model's own ids"
                   : str("; set ", meta_ ? "that" : "GPT2_VOCAB_SIZE", " to ",
                         largest + 1 + (meta_ ? 0 : reserved_), " or more, or use the right files")));
  }

  // A file is often made at its full size and then filled: what never was is 0.
  void note_zeros(const TokenFile& file) {
    const NarrowTokens tokens = file.tokens;
    const auto last = std::find_if(tokens.rbegin(), tokens.rend(), [](auto token) { return token != 0; });
    const auto zeros = static_cast<std::int64_t>(last - tokens.rbegin());
    constexpr std::int64_t kMany = 1000;
    if (zeros < kMany) return;
    notes_.push_back(str(file.label, ": its last ", grouped(zeros), " of ", grouped(std::ssize(tokens)),
                         " tokens are 0; was its preparation interrupted?"));
  }

  TokenFiles files_;
  std::optional<TokenMeta> meta_;
  std::int64_t bound_ = 0;  // ids are below it
  std::string size_text_;   // what says so, unless meta.json does
  std::int64_t reserved_ = 0;
  bool known_ = false;  // the bound is that of a model's own data
};

}  // namespace

std::shared_ptr<const StreamDataset> open_bin(const DataSource& source) {
  return std::make_shared<BinDataset>(source);
}

}  // namespace kablate
