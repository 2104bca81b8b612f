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
  switch (config.data.dataset) {
    case DatasetKind::kShakespeare:
      source = {data_folder / "shakespeare", "DATASET = shakespeare", config.gpt.vocabulary};
      return open_shakespeare(source);
    case DatasetKind::kText:
      source = {data_path(config.data, "the path of a UTF-8 text file"),
                str("DATA_PATH = ", config.data.path), config.gpt.vocabulary};
      return open_text(source);
    case DatasetKind::kBin:
      source = {data_path(config.data, "the folder that holds nanoGPT's train.bin and val.bin"),
                str("DATA_PATH = ", config.data.path), config.gpt.vocabulary};
      return open_bin(source);
  }
  throw std::logic_error("DATASET without a source");
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const Config& config, const std::filesystem::path& data_folder) {
  DataSource source;
  auto dataset = open_kind(config, data_folder, source);
  check_lengths(*dataset, source, config.gpt.context);
  return dataset;
}

}  // namespace kablate
