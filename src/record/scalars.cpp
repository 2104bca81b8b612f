#include "record/scalars.h"

#include <cmath>
#include <string_view>

#include "base/text.h"

namespace kablate {
namespace {

class Scalars {
 public:
  void add(std::string name, std::optional<double> value) {
    if (value && std::isfinite(*value)) list_.push_back({std::move(name), *value});
  }
  void count(std::string name, std::int64_t value) {
    list_.push_back({std::move(name), static_cast<double>(value)});
  }

  std::vector<Scalar> take() { return std::move(list_); }

 private:
  std::vector<Scalar> list_;
};

std::vector<Scalar> scalars_of(const TrainRow& row) {
  Scalars list;
  list.add("loss/train", row.loss);
  for (const auto& [name, value] : row.terms) list.add(name + "/train", value);
  list.add("grad_norm", row.grad_norm);
  list.add("learning_rate", row.learning_rate);
  list.add("sparsity", row.sparsity);
  list.count("optimizer/clipped_elements", row.clipped_elements);
  list.count("optimizer/spikes", row.spikes);
  list.count("optimizer/resets", row.resets);
  list.add("speed/ms", row.ms);
  list.add("speed/tokens_per_s", row.tokens_per_s);
  list.add("speed/mfu", row.mfu);
  list.add("speed/mfu_nanogpt", row.mfu_nanogpt);
  list.add("speed/tokens_per_s_rank", row.tokens_per_s_rank);
  list.add("speed/communication_share", row.communication_share);
  return list.take();
}

// "val_accuracy" -> "accuracy/val"
std::string term_name(std::string_view term) {
  for (const auto& [prefix, split] : {std::pair("val_", "/val"), std::pair("train_", "/train_eval")})
    if (term.starts_with(prefix)) return str(term.substr(std::string_view(prefix).size()), split);
  return std::string(term);
}

std::vector<Scalar> scalars_of(const EvaluationRow& row) {
  Scalars list;
  list.add("loss/train_eval", row.train_loss);
  list.add("loss/val", row.val_loss);
  for (const auto& [name, value] : row.terms) list.add(term_name(name), value);
  return list.take();
}

std::vector<Scalar> scalars_of(const MechanismRow& row) {
  Scalars list;
  for (const auto& [name, value] : row.values) list.add(str(name, "/block", row.block), value);
  return list.take();
}

}  // namespace

std::vector<ScalarRow> scalar_rows(const std::vector<MetricsRow>& rows) {
  std::vector<ScalarRow> result;
  std::int64_t updates = 0;  // whose time is in `seconds`
  double seconds = 0;
  for (const auto& row : rows) {
    if (const auto* train = std::get_if<TrainRow>(&row)) {
      const auto since = static_cast<double>(train->iteration + 1 - updates);
      seconds += since * train->ms.value_or(0) / 1e3;
      updates = train->iteration + 1;
    }
    result.push_back(
        {iteration_of(row), seconds, std::visit([](const auto& r) { return scalars_of(r); }, row)});
  }
  return result;
}

}  // namespace kablate
