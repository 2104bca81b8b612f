#include "base/text.h"
#include "config/binding.h"
#include "config/enum_names.h"

namespace kablate {
namespace {

std::string spelled(double value) { return shortest(value); }
std::string spelled(std::int64_t value) { return std::to_string(value); }

struct Printer {
  std::vector<FieldValue>& out;

  void operator()(const char* name, bool field, Scope scope) { add(name, field ? "y" : "n", scope); }
  void operator()(const char* name, std::int64_t field, Scope scope) {
    add(name, std::to_string(field), scope);
  }
  void operator()(const char* name, const std::string& field, Scope scope) { add(name, field, scope); }
  void operator()(const char* name, double field, Scope scope, Bounds) { add(name, shortest(field), scope); }
  // Equal numbers are one: the same model.
  template <typename Number>
  void operator()(const char* name, const PerLayer<Number>& field, Scope scope, Bounds) {
    std::vector<std::string> numbers;
    for (const Number value : field.values) numbers.push_back(spelled(value));
    add(name, field.varies() ? join(numbers, ",") : numbers.front(), scope);
  }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void operator()(const char* name, Enum field, Scope scope) { add(name, enum_name(field), scope); }
  void add(const char* name, std::string text, Scope scope) {
    out.push_back({name, std::move(text), find_symbol(name)->type, scope});
  }
};

// Finds a field by its symbol.
struct Finder {
  const std::string& symbol;
  const void*& found;

  template <typename Field, typename... More>
  void operator()(const char* name, const Field& field, More...) {
    if (symbol == name) found = &field;
  }
};

struct WholeNumberLists {
  std::string_view symbol;
  bool& found;

  void operator()(std::string_view name, const PerLayer<std::int64_t>&, Scope, Bounds) {
    found = found || name == symbol;
  }
  template <typename Field, typename... More>
  void operator()(std::string_view, const Field&, More...) {}
};

// Overwrites a field by another of its type.
struct Copier {
  const std::string& symbol;
  const void* from;

  template <typename Field, typename... More>
  void operator()(const char* name, Field& field, More...) {
    if (symbol == name) field = *static_cast<const Field*>(from);
  }
};

}  // namespace

Config with_value_of(Config config, const Config& other, const std::string& symbol) {
  const void* from = nullptr;
  visit_fields(other, Finder{symbol, from});
  visit_fields(config, Copier{symbol, from});
  return config;
}

bool is_list_of_whole_numbers(std::string_view symbol) {
  bool found = false;
  const Config config;
  visit_fields(config, WholeNumberLists{symbol, found});
  return found;
}

std::string dtype_name(DType dtype) { return enum_name(dtype); }

std::vector<FieldValue> field_values(const Config& config) {
  std::vector<FieldValue> values;
  visit_fields(config, Printer{values});
  return values;
}

}  // namespace kablate
