#include "data/dataset.h"

#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/enum_names.h"
#include "data/lines_dataset.h"
#include "data/sources.h"
#include "data/stream_dataset.h"
#include "data/synthetic_dataset.h"

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

constexpr std::int64_t kUnbounded = std::int64_t{1} << 24;  // GPT2_VOCAB_SIZE's most

// DATA_PATH, with the mistakes that no file system would explain.
std::filesystem::path data_path(const DataConfig& data, std::string_view wanted) {
  if (data.path.empty())
    throw UserError(
        str("DATA_PATH is empty: DATASET = ", enum_name(data.dataset), " needs ", wanted, "; set DATA_PATH"));
  if (data.path.starts_with('~'))
    throw UserError(str("DATA_PATH = ", data.path, ": ~ is not expanded; write the whole path"));
  return data.path;
}

// Streams, checked for the model's context.
std::shared_ptr<const Dataset> checked(std::shared_ptr<const StreamDataset> streams, const DataSource& source,
                                       const Config& config) {
  check_lengths(*streams, source, config.gpt.context);
  return streams;
}

std::shared_ptr<const StreamDataset> open_streams(const Config& config,
                                                  const std::filesystem::path& data_folder,
                                                  DataSource& source) {
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
    default:
      break;
  }
  throw std::logic_error("DATASET without a source");
}

}  // namespace

std::int64_t DataSource::most_ids() const {
  if (known > 0) return known;
  return (vocabulary == 0 ? kUnbounded : vocabulary) - reserved;
}

std::string DataSource::size_text() const {
  if (known > 0) return str("the model's data have ", known, " ids, and its mask token stands behind them");
  return str("GPT2_VOCAB_SIZE = ", vocabulary,
             reserved > 0 ? ", of which OBJECTIVE = masked_token takes one for the mask token" : "");
}

std::shared_ptr<const Dataset> as_trained_on(std::shared_ptr<const Dataset> data, std::uint64_t seed) {
  auto own = data->with_seed(seed);
  return own == nullptr ? std::move(data) : std::move(own);
}

std::shared_ptr<const Dataset> open_dataset(const Config& config, const std::filesystem::path& data_folder,
                                            const Tokenizer* tokenizer) {
  validate_data(config);
  if (config.data.is_synthetic()) return std::make_shared<const SyntheticDataset>(config);
  DataSource source;
  source.vocabulary = config.gpt.vocabulary;
  source.label = str("DATA_PATH = ", config.data.path);
  if (config.objective.masked()) source.reserved = 1;
  if (tokenizer != nullptr) source.alphabet = tokenizer->alphabet();
  if (tokenizer != nullptr && config.objective.masked()) source.known = tokenizer->vocabulary();
  if (config.data.dataset != DatasetKind::kLines)
    return checked(open_streams(config, data_folder, source), source, config);
  source.path = data_path(config.data, "the path of a UTF-8 text file, a sequence a line");
  return std::make_shared<LinesDataset>(source, config.gpt.context, !config.objective.masked());
}

std::int64_t needed_vocabulary(Config config, const std::filesystem::path& data_folder) try {
  if (config.data.is_synthetic()) return config.data.synthetic.vocabulary;
  config.gpt.vocabulary = 0, config.gpt.context = 1;  // lengths are no matter of it
  return open_dataset(config, data_folder)->vocabulary() + (config.objective.masked() ? 1 : 0);
} catch (const UserError& fault) {
  throw UserError(str("GPT2_VOCAB_SIZE = 0 is as many as the data have: ", fault.what(),
                      "; or set GPT2_VOCAB_SIZE to a number"));
}

}  // namespace kablate
