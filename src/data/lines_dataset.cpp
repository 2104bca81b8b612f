#include "data/lines_dataset.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/sample_order.h"
#include "data/sources.h"
#include "data/text_file.h"

namespace kablate {
namespace {

// The lines of a text without their newlines; behind the last newline there is none.
std::vector<std::string_view> lines_in(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

LinesDataset::LinesDataset(const DataSource& source, std::int64_t context, bool shifts)
    : file_(std::make_unique<TextFile>(
          source.path, source.label,
          "DATASET = lines needs the path of a UTF-8 text file, a sequence a line, in DATA_PATH")),
      shifts_(shifts) {
  std::vector<std::size_t> counts;
  const auto alphabet = checked_alphabet(source, {file_.get()}, counts);
  notes_ = notes_about(file_->file.bytes(), file_->label);
  vocabulary_ = std::ssize(alphabet);
  tokenizer_ = Tokenizer::of_characters(alphabet);
  if (alphabet.size() <= kNarrowAlphabet)
    number<std::uint16_t>(alphabet);
  else
    number<std::uint32_t>(alphabet);
  const std::int64_t lines = num_lines();
  first_validation_ = lines / 10 * 9 + lines % 10 * 9 / 10;
  check_lines(source);
  note_lines(source, context);
}

LinesDataset::~LinesDataset() = default;

template <typename Id>
void LinesDataset::number(const std::u32string& alphabet) {
  const auto id_of = numbers_of<Id>(alphabet);
  const auto ids = std::make_shared<std::vector<Id>>();
  const auto bytes = file_->file.bytes();
  begins_ = {0};
  const auto end_line = [&] { begins_.push_back(std::ssize(*ids)); };
  for (std::size_t position = 0; position < bytes.size();) {
    const auto point = read_code_point(bytes, position, file_->label);
    ids->push_back(id_of[point]);
    if (point == U'\n') end_line();
  }
  // A text of more than one line has the newline in its alphabet, and one of a single line is refused.
  if (!bytes.ends_with('\n')) {
    if (begins_.size() > 1) ids->push_back(id_of[U'\n']);
    end_line();
  }
  tokens_ = TokenStream(std::span<const Id>(*ids), ids);
}

void LinesDataset::check_lines(const DataSource& source) const {
  if (first_validation_ == 0)
    throw UserError(str(source.label, ": has ", num_lines(),
                        " line; DATASET = lines needs 2 or more, of which ",
                        "the last tenth validates; give a text with a sequence a line"));
  if (!shifts_) return;
  std::int64_t count = 0, first = 0;
  for (std::int64_t i = num_lines(); i-- > 0;)
    if (size(i) == 1) ++count, first = i;
  if (count > 0)
    throw UserError(str(source.label, ":", first + 1, ": an empty line (", grouped(count), " of ",
                        grouped(num_lines()),
                        " lines are) has no next token to learn: OBJECTIVE = next_token needs a character "
                        "before each newline; delete them: sed -i '/^$/d' FILE"));
}

void LinesDataset::note_lines(const DataSource& source, std::int64_t context) {
  const auto bytes = file_->file.bytes();
  if (!bytes.ends_with('\n'))
    notes_.push_back(str(source.label, ": its last line has no newline and is read as if it had one"));
  const std::int64_t whole = context + (shifts_ ? 1 : 0);
  std::int64_t longer = 0, longest = 0;
  for (std::int64_t i = 0; i < num_lines(); ++i)
    longer += size(i) > whole, longest = std::max(longest, size(i));
  if (longer > 0)
    notes_.push_back(str(source.label, ": ", grouped(longer), " of ", grouped(num_lines()),
                         " lines have more than ", grouped(whole),
                         " tokens and are cut there (GPT2_BLOCK_SIZE = ", context,
                         shifts_ ? ", and the last target" : "", "); the longest has ", grouped(longest)));
  const auto lines = lines_in(bytes);
  const auto split = lines.begin() + first_validation_;
  const std::unordered_set<std::string_view> trained(lines.begin(), split);
  const auto known = std::count_if(split, lines.end(), [&](auto line) { return trained.contains(line); });
  if (known > 0)
    notes_.push_back(
        str(source.label, ": ", grouped(known), " of ", grouped(lines.end() - split), " validation lines (",
            fixed(100 * static_cast<double>(known) / static_cast<double>(lines.end() - split), 1),
            " %) stand among the training lines too"));
}

Batch LinesDataset::batch(const std::vector<std::int64_t>& lines, std::int64_t T) const {
  const auto B = std::ssize(lines);
  Batch batch{.inputs = at::zeros({B, T}, at::kLong),
              .targets = at::full({B, T}, kIgnoreIndex, at::kLong),
              .weights = {},
              .keep = at::zeros({B, T}, at::kBool),
              .samples = {}};
  auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>();
  auto* targets = batch.targets.mutable_data_ptr<std::int64_t>();
  auto* keep = batch.keep.mutable_data_ptr<bool>();
  const std::int64_t shift = shifts_ ? 1 : 0;
  for (const auto line : lines) {
    const std::int64_t count = std::min(size(line) - shift, T);
    tokens_.copy(begin(line), count, inputs);
    tokens_.copy(begin(line) + shift, count, targets);
    std::fill_n(keep, count, true);
    inputs += T, targets += T, keep += T;
  }
  return batch;
}

Batch LinesDataset::samples(std::uint64_t seed, std::uint64_t first, std::int64_t count,
                            std::int64_t T) const {
  Batch result = batch(keyed_sequences(seed, first_validation_, first, count), T);
  result.samples.resize(static_cast<std::size_t>(count));
  std::iota(result.samples.begin(), result.samples.end(), first);
  return result;
}

std::int64_t LinesDataset::num_windows(Split split, std::int64_t) const {
  return split == Split::kTrain ? first_validation_ : num_lines() - first_validation_;
}

Batch LinesDataset::windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const {
  std::vector<std::int64_t> lines;
  for (const auto number : numbers) lines.push_back(place(split, number));
  Batch result = batch(lines, T);
  result.samples.assign(numbers.begin(), numbers.end());
  return result;
}

std::int64_t LinesDataset::place(Split split, std::int64_t number) const {
  if (number < 0 || number >= num_windows(split, 0))
    throw std::out_of_range(str("line ", number, " of ", num_windows(split, 0)));
  return number + (split == Split::kTrain ? 0 : first_validation_);
}

std::vector<std::int64_t> LinesDataset::line(Split split, std::int64_t number) const {
  const auto at = place(split, number);
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(size(at)));
  tokens_.copy(begin(at), size(at), tokens.data());
  return tokens;
}

std::string LinesDataset::hash() const {
  Sha256 hash;
  const auto bytes = file_->file.bytes();
  const std::string kind = str("lines/", bytes.size(), "/");
  hash.add(kind.data(), kind.size());
  hash.add(bytes.data(), bytes.size());
  return hex(hash.finish());
}

const LinesDataset* lines_of(const Dataset& data) { return dynamic_cast<const LinesDataset*>(&data); }

}  // namespace kablate
