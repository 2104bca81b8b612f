#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "report/render.h"

namespace kablate {
namespace {

std::string csv_text(const std::optional<double>& value) { return value ? shortest(*value) : ""; }
std::string csv_text(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : ""; }

struct Cell {
  const char* column;
  std::string text;
};

// The columns of spec, section 9, in its order, then ours.
std::vector<Cell> cells(const ReportRow& r) {
  using Real = std::optional<double>;
  const auto mean = [](const auto& value) { return value ? Real(value->mean) : Real(); };
  const auto sd = [](const auto& value) { return value ? Real(value->sd) : Real(); };
  Real low, high;
  if (r.delta && r.delta->interval) low = r.delta->interval->low, high = r.delta->interval->high;
  return {{"step", std::to_string(r.step)},
          {"name", r.name},
          {"seeds", std::to_string(r.seeds)},
          {"status", r.status},
          {"parameters", csv_text(r.parameters)},
          {"val_loss_mean", csv_text(mean(r.val_loss))},
          {"val_loss_sd", csv_text(sd(r.val_loss))},
          {"delta_mean", csv_text(mean(r.delta))},
          {"delta_ci_low", csv_text(low)},
          {"delta_ci_high", csv_text(high)},
          {"ms_per_iter", csv_text(r.ms_per_iter)},
          {"tokens_per_s", csv_text(r.tokens_per_s)},
          {"peak_tensor_bytes", csv_text(r.peak_tensor_bytes)},
          {"decode_cache_bytes_per_token", csv_text(r.decode_cache_bytes_per_token)},
          {"identical_to", r.identical_to},
          {"delta_percent", csv_text(r.delta_percent)},
          {"delta_sd", csv_text(sd(r.delta))},
          {"delta_seeds", r.delta ? std::to_string(r.delta->n) : ""},
          {"train_loss_mean", csv_text(mean(r.train_loss))},
          {"train_loss_sd", csv_text(sd(r.train_loss))},
          {"peak_resident_bytes", csv_text(r.peak_resident_bytes)},
          {"decode_cache_bytes_fixed", csv_text(r.decode_cache_bytes_fixed)},
          {"flops_per_iteration", csv_text(r.flops_per_iteration)},
          {"mfu", csv_text(r.mfu)},
          {"mfu_nanogpt", csv_text(r.mfu_nanogpt)},
          {"wall_seconds", csv_text(r.wall_seconds)},
          {"train_seconds", csv_text(r.train_seconds)},
          {"threads", r.threads},
          {"beside", csv_text(r.beside)},
          {"device", r.device},
          {"dtype", r.dtype},
          {"pids", r.pids},
          {"rerun_of", csv_text(r.rerun_of)}};
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string render_csv(const Report& report) {
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& fields) { text += join(fields, ",") + "\n"; };
  std::vector<std::string> header;
  for (const auto& cell : cells(ReportRow{})) header.push_back(cell.column);
  add_line(header);
  for (const auto& row : report.rows) {
    std::vector<std::string> fields;
    for (const auto& cell : cells(row)) fields.push_back(csv_field(cell.text));
    add_line(fields);
  }
  return text;
}

void write_report(const ExperimentFolder& folder, const Report& report) {
  write_file_if_changed(folder.report_markdown(), render_markdown(report));
  write_file_if_changed(folder.report_csv(), render_csv(report));
}

}  // namespace kablate
