#include "cli/token_lines.h"

#include <sstream>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/config.h"

namespace kablate {
namespace {

std::vector<std::int64_t> read_numbers(const std::string& line, const std::string& where,
                                       const Content& content) {
  constexpr std::size_t kShown = 40;  // of what may be a foreign file
  std::vector<std::int64_t> numbers;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const auto number = parse_int(word);
    if (!number || *number < 0 || *number > content.most)
      throw UserError(str(where, ": \"", word.substr(0, kShown), "\": allowed: ", content.allowed,
                          " separated by blanks"));
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

std::vector<NumberLine> read_number_lines(const std::string& path, const Content& content) {
  const std::string text = read_text(path);
  if (text.find('\0') != std::string::npos)
    throw UserError(str(path, ": not a text file; expected ", content.name, ", one sequence a line"));
  std::vector<NumberLine> lines;
  std::int64_t number = 0;
  for (const auto& line : split(text, '\n')) {
    const std::string where = str(path, ":", ++number);
    auto numbers = read_numbers(line, where, content);
    if (!numbers.empty()) lines.push_back({where, std::move(numbers)});
  }
  if (lines.empty())
    throw UserError(str(path, ": no ", content.name, "; expected one sequence a line, separated by blanks"));
  return lines;
}

at::Tensor rows_of(const std::vector<NumberLine>& lines) {
  std::vector<std::int64_t> all;
  for (const auto& line : lines) all.insert(all.end(), line.numbers.begin(), line.numbers.end());
  return at::tensor(all, at::kLong).view({std::ssize(lines), std::ssize(lines.front().numbers)});
}

std::vector<NumberLine> read_token_lines(const std::string& path, const Config& config) {
  const std::int64_t most = config.gpt.vocabulary - 1;
  auto lines = read_number_lines(path, {"token ids", str("token ids from 0 to ", most), most});
  const auto length = std::ssize(lines.front().numbers);
  for (const auto& [where, ids] : lines) {
    if (std::ssize(ids) != length)
      throw UserError(str(where, ": ", ids.size(), " ids, the first line has ", length,
                          "; all lines must be of one length"));
    if (length > config.gpt.context && config.gpt.positions == Positions::kLearned)
      throw UserError(str(where, ": ", length, " ids; allowed: at most GPT2_BLOCK_SIZE = ",
                          config.gpt.context, " with POSITIONS = learned"));
  }
  return lines;
}

}  // namespace kablate
