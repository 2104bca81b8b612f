// Files that are checked before they are believed. A sealed JSON file carries its own SHA-256; a file of a
// finished trial has its own in DONE (done.h). The messages for what is wrong with either are made here.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace kablate {

constexpr std::int64_t kRecordFormat = 2;  // of everything under results/; FORMAT.md describes this one

// What a file is not fit to be read for. The message names it and says what to do.
class FileFault : public UserError {
 public:
  enum class Kind { kMissing, kDamaged, kOlderFormat, kNewerFormat };
  FileFault(Kind kind, const std::string& message) : UserError(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// `json`, an object, with "format" and "sha256" as the text of a file: sorted keys, a line end. "sha256" is
// that of the file's own bytes with its 64 digits written as 0.
std::string sealed_text(Json json);

// The way back, without both keys. Throws FileFault naming `name`.
Json unsealed(std::string_view text, const std::string& name);
Json read_sealed(const std::filesystem::path& path);

// What is said of a file whose lines are whole but for their ends.
constexpr const char* kConvertedLineEnds =
    "its line ends were converted to CRLF (a copy in text mode, or git): convert them back, or copy the "
    "folder again as it is";

// "" if `text` has the SHA-256 `recorded`; else what has become of it: changed, or its line ends converted.
std::string damage_of(std::string_view text, const std::string& recorded);

// The faults that every kind of file can have.
FileFault older_format(const std::string& name);
FileFault newer_format(const std::string& name, std::int64_t format);

}  // namespace kablate
