#include "record/seal.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

namespace kablate {
namespace {

using Kind = FileFault::Kind;

constexpr const char *kFormat = "format", *kSum = "sha256";
// Within a JSON string a quote has a backslash before it, so that this is found where it is a key.
constexpr std::string_view kSumKey = "\"sha256\": \"";

// Where the digits of the sum stand; npos if there are none, or two.
std::size_t place_of_sum(std::string_view text) {
  const auto at = text.find(kSumKey);
  if (at == std::string_view::npos || text.find(kSumKey, at + 1) != std::string_view::npos)
    return std::string_view::npos;
  const auto digits = at + kSumKey.size();
  return digits + kDigestDigits <= text.size() ? digits : std::string_view::npos;
}

std::string sealed_sum(std::string text, std::size_t digits) {
  text.replace(digits, kDigestDigits, kDigestDigits, '0');
  return hex(sha256(text));
}

// The bytes before every line end was made CRLF; "" if they hold none.
std::string with_plain_line_ends(std::string_view text) {
  std::string plain(text);
  std::erase(plain, '\r');
  return plain.size() == text.size() ? "" : plain;
}

bool sum_holds(std::string_view text) {
  const auto digits = place_of_sum(text);
  return digits != std::string_view::npos &&
         text.substr(digits, kDigestDigits) == sealed_sum(std::string(text), digits);
}

}  // namespace

std::string sealed_text(Json json) {
  json[kFormat] = kRecordFormat;
  json[kSum] = std::string(kDigestDigits, '0');
  std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  const auto digits = place_of_sum(text);
  if (digits == std::string::npos) throw std::logic_error("a sealed file has one key \"sha256\"");
  const std::string sum = sealed_sum(text, digits);
  return text.replace(digits, kDigestDigits, sum);
}

Json unsealed(std::string_view text, const std::string& name) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (sum_holds(text) && json.is_object() && json.contains(kFormat)) {
    const Json format = json[kFormat];
    if (format != kRecordFormat) throw newer_format(name, format.get<std::int64_t>());
    json.erase(kFormat), json.erase(kSum);
    return json;
  }
  if (const auto plain = with_plain_line_ends(text); !plain.empty() && sum_holds(plain))
    throw FileFault(Kind::kDamaged, str(name, ": ", kConvertedLineEnds));
  // The first format had neither key.
  if (json.is_object() && !json.contains(kFormat) && !json.contains(kSum)) throw older_format(name);
  throw FileFault(Kind::kDamaged, str(name, ": is damaged: it does not have the SHA-256 that stands in it"));
}

Json read_sealed(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw FileFault(Kind::kMissing, str(path.string(), ": is missing"));
  return unsealed(read_text(path), path.string());
}

std::string damage_of(std::string_view text, const std::string& recorded) {
  if (hex(sha256(text)) == recorded) return "";
  const auto plain = with_plain_line_ends(text);
  if (!plain.empty() && hex(sha256(plain)) == recorded) return kConvertedLineEnds;
  return "does not have the SHA-256 that was recorded for it";
}

FileFault older_format(const std::string& name) {
  return {Kind::kOlderFormat,
          str(name,
              ": was written by an earlier version of Kablate, in a format without checksums (this one "
              "reads format ",
              kRecordFormat,
              "): read it with that version, or move the folder away and run the experiment again")};
}

FileFault newer_format(const std::string& name, std::int64_t format) {
  return {Kind::kNewerFormat, str(name, ": has format ", format, ", this version of Kablate reads format ",
                                  kRecordFormat, ": read it with the version that wrote it")};
}

}  // namespace kablate
