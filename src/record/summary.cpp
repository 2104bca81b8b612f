#include "record/summary.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/text.h"

namespace kablate {
namespace {

// The one list of a summary's keys; it serves reading and writing.
template <typename Summary, typename Visitor>
void visit(Summary& s, Visitor&& field) {
  field("step", s.step), field("name", s.name), field("seed", s.seed), field("rerun_index", s.rerun_index);
  field("key", s.key), field("status", s.status), field("iterations", s.iterations);
  field("val_loss", s.val_loss), field("train_loss", s.train_loss);
  field("val_accuracy", s.val_accuracy), field("val_macro_accuracy", s.val_macro_accuracy),
      field("train_accuracy", s.train_accuracy);
  field("wall_seconds", s.wall_seconds), field("train_seconds", s.train_seconds);
  field("ms_per_iter", s.ms_per_iter), field("tokens_per_s", s.tokens_per_s);
  field("mfu", s.mfu), field("mfu_nanogpt", s.mfu_nanogpt);
  field("peak_flops", s.peak_flops), field("cpu_share", s.cpu_share);
  field("peak_tensor_bytes", s.peak_tensor_bytes), field("peak_resident_bytes", s.peak_resident_bytes);
  field("parameters", s.parameters), field("active_parameters", s.active_parameters);
  field("mlp_widths", s.mlp_widths), field("expert_loads", s.expert_loads);
  field("sparsity", s.sparsity), field("nonzero_parameters", s.nonzero_parameters);
  field("threads", s.threads), field("ranks", s.ranks), field("beside", s.beside);
  field("communication_share", s.communication_share);
  field("device", s.device), field("dtype", s.dtype), field("arithmetic", s.arithmetic), field("pid", s.pid),
      field("host", s.host);
  field("started", s.started), field("ended", s.ended);
  field("weights_sha256", s.weights_sha256), field("metrics_sha256", s.metrics_sha256);
  field("interruptions", s.interruptions);
}

template <typename Failing, typename Visitor>
void visit_failure(Failing& f, Visitor&& field) {
  field("status", f.status), field("reason", f.reason), field("exit_code", f.exit_code),
      field("signal", f.signal);
  field("log_tail", f.log_tail);
}

struct ToJson {
  Json& json;
  template <typename T>
  void operator()(const char* name, const T& value) {
    json[name] = value;
  }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    json[name] = value && std::isfinite(static_cast<double>(*value)) ? Json(*value) : Json(nullptr);
  }
};

struct FromJson {
  const Json& json;
  template <typename T>
  void operator()(const char* name, T& value) {
    json.at(name).get_to(value);
  }
  template <typename T>
  void operator()(const char* name, std::optional<T>& value) {
    // A summary of an earlier version may lack it: not measured.
    if (const auto field = json.find(name); field != json.end() && !field->is_null())
      value = field->template get<T>();
  }
  template <typename T>
  void operator()(const char* name, std::vector<T>& values) {
    if_there(name, values);
  }
  void operator()(const char* name, std::map<std::string, double>& values) { if_there(name, values); }
  template <typename T>
  void if_there(const char* name, T& values) {
    if (const auto field = json.find(name); field != json.end()) field->get_to(values);
  }
};

}  // namespace

Json to_json(const TrialSummary& summary) {
  Json json;
  visit(summary, ToJson{json});
  return json;
}

TrialSummary summary_from_json(const Json& json) {
  TrialSummary summary;
  visit(summary, FromJson{json});
  for (const auto& loss : {summary.val_loss, summary.train_loss})
    if (loss && std::abs(*loss) > std::numeric_limits<float>::max())  // a loss is a float32's mean
      throw std::out_of_range(str("a loss of ", shortest(*loss), ": allowed: what a float32 can hold"));
  if (summary.iterations < 0 || summary.interruptions < 0) throw std::out_of_range("a count below 0");
  return summary;
}

Json to_json(const Failure& failure) {
  Json json;
  visit_failure(failure, ToJson{json});
  return json;
}

Failure failure_from_json(const Json& json) {
  Failure failure;
  visit_failure(failure, FromJson{json});
  return failure;
}

}  // namespace kablate
