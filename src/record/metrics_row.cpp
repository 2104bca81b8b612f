#include "record/metrics_row.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

#include "base/text.h"
#include "record/flat_object.h"

namespace kablate {
namespace {

// What a field is, beside its name.
enum class Role { kPlain, kLoss, kClock, kSometimes, kClockOfRanks };

// Absent where there is no value.
bool is_optional(Role role) { return role == Role::kSometimes || role == Role::kClockOfRanks; }

// The one list of each kind's keys. A visitor takes (name, role, value).
template <typename Row, typename Visitor>
void visit_train(Row& r, Visitor&& field) {
  using enum Role;
  field("iteration", kPlain, r.iteration), field("loss", kLoss, r.loss);
  field("grad_norm", kPlain, r.grad_norm), field("learning_rate", kPlain, r.learning_rate);
  field("clipped_elements", kPlain, r.clipped_elements), field("spikes", kPlain, r.spikes);
  field("resets", kPlain, r.resets), field("tokens", kPlain, r.tokens), field("terms", kPlain, r.terms);
  field("sparsity", kSometimes, r.sparsity);
  field("ms", kClock, r.ms), field("tokens_per_s", kClock, r.tokens_per_s);
  field("mfu", kClock, r.mfu), field("mfu_nanogpt", kClock, r.mfu_nanogpt);
  field("tokens_per_s_rank", kClockOfRanks, r.tokens_per_s_rank);
  field("communication_share", kClockOfRanks, r.communication_share);
}

template <typename Row, typename Visitor>
void visit_evaluation(Row& r, Visitor&& field) {
  using enum Role;
  field("iteration", kPlain, r.iteration);
  field("train_loss", kLoss, r.train_loss), field("val_loss", kLoss, r.val_loss);
  field("tokens", kPlain, r.tokens), field("terms", kPlain, r.terms);
}

template <typename Row, typename Visitor>
void visit_mechanisms(Row& r, Visitor&& field) {
  field("iteration", Role::kPlain, r.iteration), field("block", Role::kPlain, r.block);
  field.rest(r.values);
}

constexpr const char* kKind = "kind";
constexpr const char* kKinds[] = {"train", "eval", "mechanisms"};  // in the order of MetricsRow

template <typename Visitor>
void visit_row(const MetricsRow& row, Visitor&& field) {
  if (const auto* train = std::get_if<TrainRow>(&row)) return visit_train(*train, field);
  if (const auto* evaluation = std::get_if<EvaluationRow>(&row)) return visit_evaluation(*evaluation, field);
  visit_mechanisms(std::get<MechanismRow>(row), field);
}

class Writer {
 public:
  explicit Writer(Json& json) : json_(json) {}

  template <typename T>
  void operator()(const char* name, Role, const T& value) {
    json_[name] = value;
  }
  void operator()(const char* name, Role role, const std::optional<double>& value) {
    if (is_optional(role) && !value) return;
    json_[name] = value && std::isfinite(*value) ? Json(*value) : Json();
  }
  void operator()(const char* name, Role, const std::map<std::string, double>& values) {
    if (!values.empty()) Writer(json_[name]).rest(values);
  }
  void rest(const std::map<std::string, double>& values) {
    for (const auto& [name, value] : values)
      if (std::isfinite(value)) json_[name] = value;
  }

 private:
  Json& json_;
};

// Writes the fields of some roles only.
class Selection : Writer {
 public:
  Selection(Json& json, std::set<Role> roles) : Writer(json), roles_(std::move(roles)) {}

  template <typename T>
  void operator()(const char* name, Role role, const T& value) {
    if (roles_.contains(role)) Writer::operator()(name, role, value);
  }
  void rest(const std::map<std::string, double>& values) { Writer::rest(values); }

 private:
  std::set<Role> roles_;
};

// Throws std::out_of_range where a value is missing or none.
class Reader {
 public:
  explicit Reader(const std::vector<FlatObject::Field>& fields) : fields_(fields), taken_(fields.size()) {}

  void operator()(const char* name, Role, std::int64_t& value) {
    const auto& field = take(name);
    if (field.kind != FlatObject::Field::Kind::kInteger || field.integer < 0) throw std::out_of_range(name);
    value = field.integer;
  }
  void operator()(const char* name, Role, std::string& value) {
    const auto& field = take(name);
    if (field.kind != FlatObject::Field::Kind::kText) throw std::out_of_range(name);
    value = field.text;
  }
  void operator()(const char* name, Role role, std::optional<double>& value) {
    if (is_optional(role) && find(name) == fields_.size()) return;
    const auto& field = take(name);
    if (field.kind == FlatObject::Field::Kind::kNull) return;
    if (!field.is_number()) throw std::out_of_range(name);
    value = field.real;
    // A loss is a float32's mean: beyond its range means of losses would have no end either.
    if (role == Role::kLoss && std::abs(*value) > std::numeric_limits<float>::max())
      throw std::out_of_range(name);
  }
  void operator()(const char* name, Role, std::map<std::string, double>& values) {
    if (find(name) == fields_.size()) return;
    const auto& field = take(name);
    if (field.kind != FlatObject::Field::Kind::kObject) throw std::out_of_range(name);
    Reader(field.fields).rest(values);
  }
  void rest(std::map<std::string, double>& values) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const auto& field = fields_[i];
      if (field.name == kKind || taken_[i]) continue;
      if (!field.is_number()) throw std::out_of_range(field.name);
      values[field.name] = field.real;
      taken_[i] = true;
    }
  }
  bool took_all() const {  // all but the kind
    return std::count(taken_.begin(), taken_.end(), true) + 1 == std::ssize(fields_);
  }

 private:
  std::size_t find(std::string_view name) const {
    const auto found =
        std::find_if(fields_.begin(), fields_.end(), [&](const auto& field) { return field.name == name; });
    return static_cast<std::size_t>(found - fields_.begin());
  }
  const FlatObject::Field& take(const char* name) {
    const auto place = find(name);
    if (place == fields_.size()) throw std::out_of_range(name);
    taken_[place] = true;
    return fields_[place];
  }

  const std::vector<FlatObject::Field>& fields_;
  std::vector<bool> taken_;
};

template <typename Row, typename Visit>
std::optional<MetricsRow> read_row(const FlatObject& object, Visit&& visit) {
  Row row;
  Reader reader(object.fields());
  visit(row, reader);
  return reader.took_all() ? std::optional<MetricsRow>(std::move(row)) : std::nullopt;
}

Json selected(const MetricsRow& row, std::set<Role> roles) {
  Json json{{kKind, kKinds[row.index()]}};
  visit_row(row, Selection(json, std::move(roles)));
  return json;
}

}  // namespace

std::vector<double> expert_loads(const MechanismRow& row) {
  std::vector<double> loads;
  for (auto found = row.values.end();; loads.push_back(found->second)) {
    found = row.values.find(str(kExpertLoad, loads.size()));
    if (found == row.values.end()) return loads;
  }
}

std::int64_t iteration_of(const MetricsRow& row) {
  return std::visit([](const auto& any) { return any.iteration; }, row);
}

Json to_json(const MetricsRow& row) {
  Json json{{kKind, kKinds[row.index()]}};
  visit_row(row, Writer(json));
  return json;
}

std::optional<MetricsRow> metrics_row_from_text(std::string_view line) {
  thread_local FlatObject object;
  if (!object.parse(line)) return {};
  const auto& fields = object.fields();
  const auto kind =
      std::find_if(fields.begin(), fields.end(), [](const auto& field) { return field.name == kKind; });
  if (kind == fields.end()) return {};
  try {
    if (kind->text == kKinds[0])
      return read_row<TrainRow>(object, [](auto& r, auto& f) { visit_train(r, f); });
    if (kind->text == kKinds[1])
      return read_row<EvaluationRow>(object, [](auto& r, auto& f) { visit_evaluation(r, f); });
    if (kind->text == kKinds[2])
      return read_row<MechanismRow>(object, [](auto& r, auto& f) { visit_mechanisms(r, f); });
  } catch (const std::out_of_range&) {
  }
  return {};
}

Json without_clock(const MetricsRow& row) {
  return selected(row, {Role::kPlain, Role::kLoss, Role::kSometimes});
}

Json losses_of(const MetricsRow& row) {
  if (std::holds_alternative<MechanismRow>(row)) return {};
  Json json = selected(row, {Role::kLoss});
  json["iteration"] = iteration_of(row);
  return json;
}

std::string row_difference(const Json& a, const Json& b) {
  std::set<std::string> keys;
  for (const auto* row : {&a, &b})
    for (const auto& [key, value] : row->items()) keys.insert(key);
  for (const auto& key : keys) {
    const Json in_a = a.value(key, Json()), in_b = b.value(key, Json());
    if (in_a != in_b) return str(key, " ", in_a.dump(), " -> ", in_b.dump());
  }
  return "";
}

}  // namespace kablate
