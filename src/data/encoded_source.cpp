// A text's tokens of GPT-2's byte pairs, which scripts/prepare_bpe.py made of it: a folder as DATASET = bin
// reads it, whose meta.json has the SHA-256 of its files too. The folder's name is the text's, so that tokens
// of what the text was before are never taken for its own.
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "data/mapped_file.h"
#include "data/sources.h"
#include "data/text_file.h"

namespace kablate {
namespace {

constexpr std::int64_t kVocabulary = 50257;
constexpr std::size_t kNameDigits = 16;

// One text: the first digits of its SHA-256; two: of that of both digests in hex, one behind the other. The
// source gets what is to be said of the texts.
std::string folder_name(DataSource& source, const EncodedTexts& encoded) {
  const bool plays = encoded.texts.size() > 1;
  std::string digests;
  for (const auto& path : encoded.texts) {
    const std::string label = plays ? str(source.label, ": ", path.string()) : source.label;
    const MappedFile text(path, label,
                          plays ? "prepare the text with `make data`"
                                : "DATASET = text needs the path of a UTF-8 text file in DATA_PATH");
    check_is_written(text.bytes(), label);
    for (auto& note : notes_about(text.bytes(), label)) source.notes.push_back(std::move(note));
    digests += hex(sha256(text.bytes()));
  }
  return (plays ? hex(sha256(digests)) : digests).substr(0, kNameDigits);
}

// What is wrong with the prepared folder; "" if nothing is.
std::string fault_of(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "meta.json", ignored))
    return "the text's tokens are not there, or were made of the text as it was before";
  const Json meta = Json::parse(read_text(folder / "meta.json"), nullptr, /*allow_exceptions=*/false);
  const Json files = meta.is_object() ? meta.value("sha256", Json()) : Json();
  for (const char* name : {"train.bin", "val.bin", "vocab.bpe"}) {
    const auto path = folder / name;
    if (!std::filesystem::exists(path, ignored)) return path.string() + " is missing";
    if (!files.is_object() || files.value(name, Json()) != file_sha256(path.string()))
      return path.string() + " is not as it was written";
  }
  return "";
}

}  // namespace

std::shared_ptr<const StreamDataset> open_encoded(const DataSource& source, const EncodedTexts& encoded) {
  if (source.most_ids() < kVocabulary)
    throw UserError(str("TOKENIZER = gpt2 has ", kVocabulary, " tokens, ", source.size_text(),
                        "; set GPT2_VOCAB_SIZE to ", kVocabulary + source.reserved, " or more"));
  DataSource tokens = source;
  tokens.path = encoded.folder / folder_name(tokens, encoded);
  tokens.may_repeat = encoded.texts.size() == 1;
  if (const auto fault = fault_of(tokens.path); !fault.empty())
    throw UserError(str(source.label, ": TOKENIZER = gpt2: ", fault, "; prepare them with `make data-bpe ",
                        encoded.texts.size() > 1 ? "DATASET=shakespeare"
                                                 : str("DATA_PATH='", encoded.texts.front().string(), "'"),
                        "`"));
  return open_bin(tokens);
}

}  // namespace kablate
