#include "record/flat_object.h"

#include <algorithm>

#include "base/json.h"

namespace kablate {
namespace {

using Field = FlatObject::Field;

// What nlohmann's parser calls with each piece; false ends the parsing.
class FlatObjectReader {
 public:
  explicit FlatObjectReader(std::vector<Field>& fields) : outer_(fields) {}

  bool key(std::string& name) {
    auto& fields = depth_ == 2 ? *inner_ : outer_;
    const auto known =
        std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; });
    if (known == fields.end())
      field_ = &fields.emplace_back();
    else
      *(field_ = &*known) = Field();
    field_->name = name;
    return true;
  }
  bool start_object(std::size_t) {
    if (++depth_ == 1) return true;
    if (depth_ > 2) return false;
    field_->kind = Field::Kind::kObject;
    inner_ = &field_->fields;
    return true;
  }
  bool end_object() { return --depth_ >= 0; }
  bool null() { return set(Field::Kind::kNull); }
  bool number_integer(std::int64_t value) {
    return set(Field::Kind::kInteger) &&
           (field_->integer = value, field_->real = static_cast<double>(value), true);
  }
  bool number_unsigned(std::uint64_t value) {
    return set(Field::Kind::kInteger) && (field_->integer = static_cast<std::int64_t>(value),
                                          field_->real = static_cast<double>(value), true);
  }
  bool number_float(double value, const std::string&) {
    return set(Field::Kind::kReal) && (field_->real = value, true);
  }
  bool string(std::string& text) { return set(Field::Kind::kText) && (field_->text = text, true); }
  bool boolean(bool) { return false; }
  bool binary(Json::binary_t&) { return false; }
  bool start_array(std::size_t) { return false; }
  bool end_array() { return false; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }

 private:
  bool set(Field::Kind kind) {
    if (depth_ == 0) return false;  // a text that is no object
    field_->kind = kind;
    return true;
  }

  std::vector<Field>& outer_;
  std::vector<Field>* inner_ = nullptr;
  Field* field_ = nullptr;
  int depth_ = 0;
};

}  // namespace

bool FlatObject::parse(std::string_view text) {
  fields_.clear();
  FlatObjectReader reader(fields_);
  return Json::sax_parse(text, &reader);
}

}  // namespace kablate
