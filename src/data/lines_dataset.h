// Data that is a sequence a line: the characters of a UTF-8 text's line, its newline the last of them. Lines
// are the samples; the last tenth of them validates.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/token_stream.h"

namespace kablate {

struct DataSource;
struct TextFile;

// A sequence has the line's first T tokens (where the next token is the target: those that have one, of the
// first T + 1), then padding: id 0, no target, keep = 0. Where `shifts` is false targets are the inputs, for
// an objective that hides some.
class LinesDataset final : public Dataset {
 public:
  // `context`, GPT2_BLOCK_SIZE, is for the note on lines that are cut. Throws UserError with the source's
  // label as for any text; if a split would have no line; and, where the next token is the target, if a line
  // has a single token, with its number in the file. A last line without a newline is read as if it had one.
  LinesDataset(const DataSource& source, std::int64_t context, bool shifts);
  ~LinesDataset() override;

  // Training lines, each once an epoch, in a keyed order (data/sample_order.h).
  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override;
  // The split's lines in the file's order, whatever T is.
  std::int64_t num_windows(Split split, std::int64_t T) const override;
  Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const override;

  std::string hash() const override;

  // All tokens of a split's line, with its newline.
  std::vector<std::int64_t> line(Split split, std::int64_t number) const;

 private:
  template <typename Id>
  void number(const std::u32string& alphabet);
  void check_lines(const DataSource& source) const;
  void note_lines(const DataSource& source, std::int64_t context);
  std::int64_t num_lines() const { return std::ssize(begins_) - 1; }
  std::int64_t size(std::int64_t line) const { return begin(line + 1) - begin(line); }
  std::int64_t begin(std::int64_t line) const { return begins_[static_cast<std::size_t>(line)]; }
  std::int64_t place(Split split, std::int64_t number) const;  // in the file
  Batch batch(const std::vector<std::int64_t>& lines, std::int64_t T) const;

  std::unique_ptr<TextFile> file_;
  TokenStream tokens_;
  std::vector<std::int64_t> begins_;  // of the lines in it, and the end
  std::int64_t first_validation_ = 0;
  bool shifts_;
};

// Null for data of another kind.
const LinesDataset* lines_of(const Dataset& data);

}  // namespace kablate
