// A text file and its characters, for the sources whose tokens these are.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/mapped_file.h"
#include "data/utf8.h"

namespace kablate {

struct DataSource;

struct TextFile {
  std::string label;  // how messages name it
  MappedFile file;

  TextFile(const std::filesystem::path& path, const std::string& name, std::string_view remedy);
};

// Throws UserError where these are hardly a text's bytes; and what a user may want to know of those that are.
void check_is_written(std::string_view bytes, const std::string& label);
std::vector<std::string> notes_about(std::string_view bytes, const std::string& label);

// The characters that the source's texts are numbered by, sorted: all that stand in `files`, or those of the
// source's model; and how many characters each file has. Throws UserError if a file is no UTF-8 or hardly
// written, has a character that the model has not, or if they are more than GPT2_VOCAB_SIZE has room for.
std::u32string checked_alphabet(const DataSource& source, const std::vector<const TextFile*>& files,
                                std::vector<std::size_t>& counts);

// The id of each character, by code point.
template <typename Id>
std::vector<Id> numbers_of(const std::u32string& alphabet) {
  std::vector<Id> id_of(alphabet.back() + std::size_t{1});
  for (std::size_t id = 0; id < alphabet.size(); ++id) id_of[alphabet[id]] = static_cast<Id>(id);
  return id_of;
}

constexpr std::size_t kNarrowAlphabet = 1 << 16;  // of so many characters ids fit into two bytes

}  // namespace kablate
