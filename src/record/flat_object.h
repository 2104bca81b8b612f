// A JSON object of numbers, texts and objects of numbers, parsed without a tree: a report of thousands of
// trials reads a million of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

class FlatObject {
 public:
  struct Field {
    enum class Kind { kNull, kInteger, kReal, kText, kObject };
    std::string name = {};
    Kind kind = Kind::kNull;
    std::int64_t integer = 0;
    double real = 0;  // of an integer, too
    std::string text = {};
    std::vector<Field> fields = {};  // kObject: none of them an object

    bool is_number() const { return kind == Kind::kInteger || kind == Kind::kReal; }
  };

  // False if `text` is no JSON, or holds something else. Of a name that stands twice the last counts. The
  // object may be used again for another text.
  bool parse(std::string_view text);

  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

}  // namespace kablate
