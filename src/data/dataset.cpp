#include "data/dataset.h"

#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "data/sources.h"
#include "data/stream_dataset.h"

namespace kablate {
namespace {

// Checks what can be said of any source: the model's context fits into both splits.
void check_lengths(const StreamDataset& dataset, const DataSource& source, std::int64_t context) {
  const auto check = [&](const char* split, std::int64_t size, std::int64_t least, const char* rule) {
    if (size >= least) return;
    throw UserError(str(source.label, ": its ", split, " split has ", size,
                        " tokens, too short for GPT2_BLOCK_SIZE = ", context, ", which needs at least ",
                        least, " (", rule, "); use more data or a smaller GPT2_BLOCK_SIZE"));
  };
  check("training", dataset.train().size(), 2 * context, "twice the block size");
  check("validation", dataset.validation().size(), context + 1, "the block size and one more");
}

// DATA_PATH, with the mistakes that no file system would explain.
std::filesystem::path data_path(const DataConfig& data, std::string_view wanted) {
  if (data.path.empty())
    throw UserError(str("DATA_PATH is empty: DATASET = ", data.dataset == DatasetKind::kText ? "text" : "bin",
                        " needs ", wanted, "; set DATA_PATH"));
  if (data.path.starts_with('~'))
    throw UserError(str("DATA_PATH = ", data.path, ": ~ is not expanded; write the whole path"));
  return data.path;
}

std::shared_ptr<const StreamDataset> open_kind(const Config& config, const std::filesystem::path& data_folder,
                                               DataSource& source) {
  source.vocabulary = config.gpt.vocabulary;
  source.label = str("DATA_PATH = ", config.data.path);
  const bool encoded = config.data.tokenizer == TokenizerKind::kGpt2;
  EncodedTexts texts{.texts = {}, .folder = data_folder / "gpt2"};
  switch (config.data.dataset) {
    case DatasetKind::kShakespeare:
      source.path = data_folder / "shakespeare", source.label = "DATASET = shakespeare";
      texts.texts = {source.path / "train.txt", source.path / "validation.txt"};
      return encoded ? open_encoded(source, texts) : open_shakespeare(source);
    case DatasetKind::kText:
      source.path = data_path(config.data, "the path of a UTF-8 text file");
      texts.texts = {source.path};
      return encoded ? open_encoded(source, texts) : open_text(source);
    case DatasetKind::kBin:
      source.path = data_path(config.data, "a folder with train.bin and val.bin, or a glob of such files");
      return open_bin(source);
  }
  throw std::logic_error("DATASET without a source");
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const Config& config, const std::filesystem::path& data_folder,
                                            const Tokenizer* tokenizer) {
  DataSource source;
  if (tokenizer != nullptr) source.alphabet = tokenizer->alphabet();
  auto dataset = open_kind(config, data_folder, source);
  check_lengths(*dataset, source, config.gpt.context);
  return dataset;
}

}  // namespace kablate
