#include "base/text.h"
#include "config/binding.h"
#include "config/enum_names.h"

namespace kablate {
namespace {

struct Printer {
  std::vector<FieldValue>& out;

  void operator()(const char* name, bool field, Scope scope) { add(name, field ? "y" : "n", scope); }
  void operator()(const char* name, std::int64_t field, Scope scope) {
    add(name, std::to_string(field), scope);
  }
  void operator()(const char* name, const std::string& field, Scope scope) { add(name, field, scope); }
  void operator()(const char* name, double field, Scope scope, Bounds) { add(name, shortest(field), scope); }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void operator()(const char* name, Enum field, Scope scope) { add(name, enum_name(field), scope); }
  void add(const char* name, std::string text, Scope scope) {
    out.push_back({name, std::move(text), find_symbol(name)->type, scope});
  }
};

}  // namespace

std::string dtype_name(DType dtype) { return enum_name(dtype); }

std::vector<FieldValue> field_values(const Config& config) {
  std::vector<FieldValue> values;
  visit_fields(config, Printer{values});
  return values;
}

}  // namespace kablate
