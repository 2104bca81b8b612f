#include "support/core/safetensors_rules.h"

#include <cctype>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

namespace kablate::testing_support {
namespace {

struct Value {
  enum Kind { kText, kNumber, kObject, kArray, kWord } kind = kWord;
  std::string text;  // decoded, or a number as it is written
  std::vector<std::pair<std::string, Value>> members;
  std::vector<Value> items;

  const Value* member(const std::string& name) const {
    for (const auto& [key, value] : members)
      if (key == name) return &value;
    return nullptr;
  }
};

// JSON by RFC 8259, names not twice.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  Value read() {
    Value value = read_value(0);
    skip_blanks();
    if (at_ != text_.size()) fail("more behind the JSON");
    return value;
  }

 private:
  [[noreturn]] static void fail(const std::string& rule) { throw std::runtime_error(rule); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char take() {
    if (at_ == text_.size()) fail("the JSON ends early");
    return text_[at_++];
  }
  void expect(const std::string& word) {
    for (const char letter : word)
      if (take() != letter) fail("no JSON");
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::string(" \t\r\n").find(text_[at_]) != std::string::npos) ++at_;
  }

  Value read_value(int depth) {
    if (depth > 16) fail("deep");
    skip_blanks();
    switch (peek()) {
      case '{':
        return read_object(depth);
      case '[':
        return read_array(depth);
      case '"':
        return {Value::kText, read_string(), {}, {}};
      case 't':
        return expect("true"), Value{};
      case 'f':
        return expect("false"), Value{};
      case 'n':
        return expect("null"), Value{};
      default:
        return read_number();
    }
  }

  Value read_object(int depth) {
    Value value{Value::kObject, "", {}, {}};
    take();
    skip_blanks();
    if (peek() == '}') return take(), value;
    for (;;) {
      skip_blanks();
      const std::string name = read_string();
      if (value.member(name) != nullptr) fail("a name twice");
      skip_blanks();
      expect(":");
      value.members.emplace_back(name, read_value(depth + 1));
      skip_blanks();
      const char next = take();
      if (next == '}') return value;
      if (next != ',') fail("no JSON");
    }
  }

  Value read_array(int depth) {
    Value value{Value::kArray, "", {}, {}};
    take();
    skip_blanks();
    if (peek() == ']') return take(), value;
    for (;;) {
      value.items.push_back(read_value(depth + 1));
      skip_blanks();
      const char next = take();
      if (next == ']') return value;
      if (next != ',') fail("no JSON");
    }
  }

  Value read_number() {
    const std::size_t start = at_;
    const auto digits = [&] {
      if (!std::isdigit(static_cast<unsigned char>(peek()))) fail("no JSON");
      while (std::isdigit(static_cast<unsigned char>(peek()))) ++at_;
    };
    if (peek() == '-') ++at_;
    if (peek() == '0')
      ++at_;
    else
      digits();
    if (peek() == '.') ++at_, digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    return {Value::kNumber, text_.substr(start, at_ - start), {}, {}};
  }

  // Escapes stay as they are written but for \u00XX, which
  // the tests use; others keep two names apart all the same.
  std::string read_string() {
    expect("\"");
    std::string result;
    for (;;) {
      const auto letter = static_cast<unsigned char>(take());
      if (letter == '"') return result;
      if (letter < 0x20) fail("a control character in a text");
      if (letter == '\\')
        result += read_escape();
      else if (letter < 0x80)
        result += static_cast<char>(letter);
      else
        result += read_utf8(letter);
    }
  }

  std::string read_escape() {
    const char kind = take();
    if (kind != 'u') {
      if (std::string("\"\\/bfnrt").find(kind) == std::string::npos) fail("no JSON");
      return {'\\', kind};
    }
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char digit = take();
      if (!std::isxdigit(static_cast<unsigned char>(digit))) fail("no JSON");
      code = code * 16 + static_cast<unsigned>(std::stoi(std::string(1, digit), nullptr, 16));
    }
    if (code >= 0xD800 && code < 0xE000) fail("half a surrogate pair");  // the tests write no whole one
    if (code < 0x80) return {static_cast<char>(code)};
    return "\\u" + std::to_string(code);
  }

  std::string read_utf8(unsigned char lead) {
    const int more = lead >= 0xC2 && lead < 0xE0   ? 1
                     : lead >= 0xE0 && lead < 0xF0 ? 2
                     : lead >= 0xF0 && lead < 0xF5 ? 3
                                                   : 0;
    if (more == 0) fail("no UTF-8");
    std::string result{static_cast<char>(lead)};
    std::uint32_t point = lead & (0x3F >> more);
    for (int i = 0; i < more; ++i) {
      const auto next = static_cast<unsigned char>(take());
      if ((next & 0xC0) != 0x80) fail("no UTF-8");
      point = point << 6 | (next & 0x3F);
      result += static_cast<char>(next);
    }
    if ((more == 2 && point < 0x800) || (more == 3 && point < 0x10000) || point > 0x10FFFF ||
        (point >= 0xD800 && point < 0xE000))
      fail("no UTF-8");
    return result;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

using Wide = unsigned __int128;

// A list of whole numbers from 0 to 2^64 - 1.
std::vector<Wide> whole_numbers(const Value* value) {
  if (value == nullptr || value->kind != Value::kArray) throw std::runtime_error("no list");
  std::vector<Wide> numbers;
  for (const auto& item : value->items) {
    if (item.kind != Value::kNumber || item.text.find_first_not_of("0123456789") != std::string::npos)
      throw std::runtime_error("no whole number");
    Wide number = 0;
    for (const char digit : item.text) {
      number = number * 10 + static_cast<Wide>(digit - '0');
      if (number >> 64 != 0) throw std::runtime_error("a number beyond 64 bits");
    }
    numbers.push_back(number);
  }
  return numbers;
}

// What the tensors own: how many have each byte, and where those begin and end.
struct Owned {
  std::vector<int> owners;
  std::vector<std::pair<Wide, Wide>> pieces;
};

void check_entry(const Value& entry, Owned& owned) {
  static const std::map<std::string, Wide> bits{
      {"BOOL", 8},    {"U8", 8},      {"I8", 8},      {"I16", 16},    {"U16", 16},
      {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},    {"F32", 32},
      {"I64", 64},    {"U64", 64},    {"F64", 64},    {"C64", 64},    {"F4", 4},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  if (entry.kind != Value::kObject) throw std::runtime_error("an entry that is none");
  const Value* dtype = entry.member("dtype");
  if (dtype == nullptr || dtype->kind != Value::kText || !bits.contains(dtype->text))
    throw std::runtime_error("an unknown dtype");
  Wide need = bits.at(dtype->text);
  bool nothing = false;
  for (const auto length : whole_numbers(entry.member("shape"))) {
    need *= length == 0 ? 1 : length;  // below 2^128: both are below 2^64
    if (need >> 64 != 0) throw std::runtime_error("a shape beyond 64 bits");
    nothing = nothing || length == 0;
  }
  if (nothing) need = 0;
  const auto offsets = whole_numbers(entry.member("data_offsets"));
  if (offsets.size() != 2) throw std::runtime_error("not two offsets");
  if (offsets[0] > offsets[1] || offsets[1] > owned.owners.size())
    throw std::runtime_error("offsets outside");
  if ((offsets[1] - offsets[0]) * 8 != need) throw std::runtime_error("offsets that don't fit the shape");
  for (Wide i = offsets[0]; i < offsets[1]; ++i) ++owned.owners[static_cast<std::size_t>(i)];
  owned.pieces.emplace_back(offsets[0], offsets[1]);
}

void check(const std::string& file) {
  if (file.size() < 8) throw std::runtime_error("no length");
  Wide length = 0;
  for (int i = 7; i >= 0; --i)
    length = length * 256 + static_cast<unsigned char>(file[static_cast<std::size_t>(i)]);
  if (length > 100'000'000 || length + 8 > file.size()) throw std::runtime_error("a header beyond the file");
  const std::string text = file.substr(8, static_cast<std::size_t>(length));
  if (text.empty() || text[0] != '{') throw std::runtime_error("no { at the start");
  const Value header = Reader(text).read();
  Owned owned{std::vector<int>(file.size() - 8 - text.size(), 0), {}};
  for (const auto& [name, value] : header.members) {
    if (name != "__metadata__") {
      check_entry(value, owned);
      continue;
    }
    if (value.kind != Value::kObject) throw std::runtime_error("metadata that are none");
    for (const auto& [key, content] : value.members)
      if (content.kind != Value::kText) throw std::runtime_error("metadata that are no text");
  }
  for (const int count : owned.owners)
    if (count != 1) throw std::runtime_error("a hole or an overlap");
  for (const auto& [empty, end] : owned.pieces)
    for (const auto& [from, to] : owned.pieces)
      if (empty == end && from < empty && empty < to)
        throw std::runtime_error("an empty tensor within another");
}

}  // namespace

std::string broken_safetensors_rule(const std::string& file) {
  try {
    check(file);
    return "";
  } catch (const std::runtime_error& rule) {
    return rule.what();
  }
}

}  // namespace kablate::testing_support
