// Reads a text twice: once to learn its characters here, once to number them.
#include "data/text_file.h"

#include <algorithm>
#include <bitset>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/text.h"
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

}  // namespace

TextFile::TextFile(const std::filesystem::path& path, const std::string& name, std::string_view remedy)
    : label(name), file(path, name, remedy) {}

std::u32string checked_alphabet(const DataSource& source, const std::vector<const TextFile*>& files,
                                std::vector<std::size_t>& counts) {
  for (const auto* text : files) check_is_written(text->file.bytes(), text->label);
  auto alphabet = alphabet_of(files, counts);
  if (!source.alphabet.empty()) {
    check_characters(alphabet, source);
    alphabet = source.alphabet;
  }
  const auto ids = std::ssize(alphabet);
  if (ids > source.most_ids())
    throw UserError(str(source.label, ": the text has ", ids, " distinct characters, ", source.size_text(),
                        "; set GPT2_VOCAB_SIZE to ", ids + source.reserved, " or more"));
  return alphabet;
}

}  // namespace kablate
