#include "data/tokenizer.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "data/bpe.h"
#include "data/utf8.h"

namespace kablate {
namespace {

// "ids", sorted; empty where they are not said.
std::vector<std::int64_t> ids_of(const Json& json, std::string_view origin) {
  if (!json.contains("ids")) return {};
  auto ids = parse_list(json.at("ids").get<std::string>(), str(origin, ": \"ids\""), 0);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

Tokenizer Tokenizer::of_characters(std::u32string alphabet) {
  Tokenizer tokenizer;
  tokenizer.alphabet_ = std::move(alphabet);
  tokenizer.vocabulary_ = static_cast<std::int64_t>(tokenizer.alphabet_.size());
  return tokenizer;
}

Tokenizer Tokenizer::of_numbers(std::int64_t vocabulary, std::vector<std::int64_t> ids, std::string name) {
  Tokenizer tokenizer;
  tokenizer.vocabulary_ = vocabulary;
  tokenizer.ids_ = std::move(ids);
  tokenizer.name_ = std::move(name);
  return tokenizer;
}

Tokenizer Tokenizer::of_bpe(std::shared_ptr<const Bpe> bpe, std::vector<std::int64_t> ids, std::string name) {
  Tokenizer tokenizer = of_numbers(bpe->vocabulary(), std::move(ids), std::move(name));
  tokenizer.bpe_ = std::move(bpe);
  return tokenizer;
}

Tokenizer Tokenizer::from_json(const Json& json, std::string_view origin) {
  const auto refuse = [&](const std::string& why) { return UserError(str(origin, ": no tokenizer: ", why)); };
  try {
    const auto kind = json.at("kind").get<std::string>();
    auto ids = ids_of(json, origin);
    const auto within = [&](std::int64_t most) {
      if (!ids.empty() && ids.back() >= most) throw refuse("\"ids\" go beyond the vocabulary");
      return std::move(ids);
    };
    if (kind == "bpe") {
      auto bpe = std::make_shared<const Bpe>(json.at("merges").get<std::string>(),
                                             str(origin, ": no tokenizer: \"merges\""));
      const auto most = bpe->vocabulary();
      return of_bpe(std::move(bpe), within(most), json.value("tokenizer", ""));
    }
    if (kind == "numbers") {
      const auto& size = json.at("vocabulary");
      if (!size.is_number_integer() || size < 1) throw refuse("\"vocabulary\" must be a whole number >= 1");
      const auto most = size.get<std::int64_t>();
      return of_numbers(most, within(most), json.value("tokenizer", ""));
    }
    if (kind != "characters") throw refuse("\"kind\" = \"" + kind + "\"; known: characters, bpe, numbers");
    std::u32string alphabet;
    for (const auto& entry : json.at("alphabet")) {
      const auto text = entry.get<std::string>();
      std::size_t position = 0;
      if (!text.empty()) alphabet += read_code_point(text, position, origin);
      if (text.empty() || position != text.size())
        throw refuse("\"alphabet\" holds \"" + text + "\", which is not one character");
    }
    if (alphabet.empty()) throw refuse("\"alphabet\" is empty");
    if (std::adjacent_find(alphabet.begin(), alphabet.end(), std::greater_equal<>()) != alphabet.end())
      throw refuse("\"alphabet\" is not sorted by code point");
    return of_characters(std::move(alphabet));
  } catch (const Json::exception& fault) {
    throw refuse(fault.what());
  }
}

Json Tokenizer::to_json() const {
  if (!is_characters()) {
    Json json = bpe_ ? Json{{"kind", "bpe"}, {"merges", bpe_->merges()}}
                     : Json{{"kind", "numbers"}, {"vocabulary", vocabulary_}};
    if (!ids_.empty()) json["ids"] = list_text(ids_);
    if (!name_.empty()) json["tokenizer"] = name_;
    return json;
  }
  auto alphabet = Json::array();
  for (const char32_t point : alphabet_) alphabet.push_back(utf8(point));
  return {{"kind", "characters"}, {"alphabet", std::move(alphabet)}};
}

std::vector<std::int64_t> Tokenizer::ids() const {
  if (!ids_.empty()) return ids_;
  std::vector<std::int64_t> all(static_cast<std::size_t>(vocabulary_));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

bool Tokenizer::have(std::int64_t id) const {
  return ids_.empty() || std::binary_search(ids_.begin(), ids_.end(), id);
}

std::int64_t Tokenizer::first() const {
  if (bpe_ && have(bpe_->end_of_text())) return bpe_->end_of_text();
  if (bpe_)
    if (const auto line_end = bpe_->encode("\n", "").front(); have(line_end)) return line_end;
  return ids_.empty() ? 0 : ids_.front();
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text, std::string_view origin) const {
  if (bpe_) return encode_bpe(text, origin);
  return is_characters() ? encode_characters(text, origin) : encode_numbers(text, origin);
}

std::vector<std::int64_t> Tokenizer::encode_bpe(std::string_view text, std::string_view origin) const {
  if (!have(bpe_->end_of_text())) return bpe_->encode(text, origin);
  std::vector<std::int64_t> ids;
  while (true) {
    const auto end = text.find(Bpe::kEndOfText);
    const auto part = bpe_->encode(text.substr(0, end), origin);
    ids.insert(ids.end(), part.begin(), part.end());
    if (end == std::string_view::npos) return ids;
    ids.push_back(bpe_->end_of_text());
    text.remove_prefix(end + Bpe::kEndOfText.size());
  }
}

std::vector<std::int64_t> Tokenizer::encode_characters(std::string_view text, std::string_view origin) const {
  std::vector<std::int64_t> ids;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t start = position;
    const char32_t point = read_code_point(text, position, origin);
    const auto place = std::lower_bound(alphabet_.begin(), alphabet_.end(), point);
    if (place == alphabet_.end() || *place != point)
      throw UserError(str(origin, ": the character at byte ", start, ", ", code_point_name(point),
                          ", is none of the ", vocabulary_,
                          " characters of the data; use only characters that the data has"));
    ids.push_back(place - alphabet_.begin());
  }
  return ids;
}

std::vector<std::int64_t> Tokenizer::encode_numbers(std::string_view text, std::string_view origin) const {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::int64_t> ids;
  for (std::size_t end = 0;;) {
    const std::size_t start = text.find_first_not_of(kBlanks, end);
    if (start == std::string_view::npos) return ids;
    end = std::min(text.find_first_of(kBlanks, start), text.size());
    const auto word = text.substr(start, end - start);
    const auto id = parse_int(word);
    if (!id || *id < 0 || *id >= vocabulary_)
      throw UserError(str(origin, ": \"", word, "\" is no token id; allowed: whole numbers from 0 to ",
                          vocabulary_ - 1, ", separated by blanks"));
    ids.push_back(*id);
  }
}

std::string Tokenizer::bytes(const std::vector<std::int64_t>& ids) const {
  std::string text;
  const bool numbers = !is_characters() && !is_bpe();
  for (const auto id : ids) text += text.empty() && numbers ? std::to_string(id) : decode_next(id);
  return text;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
  Utf8Mender mender;
  const auto text = mender.take(bytes(ids));
  return text + mender.finish();
}

std::string Tokenizer::decode_next(std::int64_t id) const {
  const bool known = id >= 0 && id < vocabulary_;
  if (bpe_) return known ? std::string(bpe_->bytes(id)) : utf8(kReplacement);
  if (!is_characters()) return ' ' + std::to_string(id);
  return utf8(known ? alphabet_[static_cast<std::size_t>(id)] : kReplacement);
}

std::optional<std::int64_t> Tokenizer::bytes_of(std::int64_t id) const {
  if ((!is_characters() && !bpe_) || id < 0 || id >= vocabulary_) return {};
  if (bpe_) return id == bpe_->end_of_text() ? 0 : std::ssize(bpe_->bytes(id));
  return std::ssize(utf8(alphabet_[static_cast<std::size_t>(id)]));
}

}  // namespace kablate
