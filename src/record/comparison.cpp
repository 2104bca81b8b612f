#include "record/comparison.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/done.h"
#include "record/measure.h"
#include "record/metrics.h"
#include "record/reader.h"

namespace kablate {
namespace {

std::string text_of(const std::filesystem::path& path) {
  try {
    return read_text(path);
  } catch (const UserError&) {
    return "";
  }
}

// The summary's own sums, which are quoted and compared without the files.
std::vector<std::string> sums_damage(const TrialFolder& folder, const TrialSummary& summary,
                                     const DoneList& done) {
  std::vector<std::string> found;
  if (done.sha256_of(folder.weights()) != summary.weights_sha256)
    found.push_back("DONE has another SHA-256 of weights.safetensors than summary.json");
  if (done.sha256_of(folder.metrics()) != summary.metrics_sha256)
    found.push_back("DONE has another SHA-256 of metrics.jsonl than summary.json");
  if (text_of(folder.weights_checksum()) != summary.weights_sha256 + "  weights.safetensors\n")
    found.push_back("weights.sha256 does not have the SHA-256 that summary.json records");
  return found;
}

// The final losses and accuracies stand in the log and in the summary.
std::string losses_damage(const TrialFolder& folder, const TrialSummary& summary) {
  std::int64_t damaged = 0;
  const auto rows = parse_metrics(text_of(folder.metrics()), &damaged);
  if (damaged != 0) return str("metrics.jsonl:", damaged, ": no row of metrics from here on");
  const auto last = std::find_if(rows.rbegin(), rows.rend(), [](const MetricsRow& row) {
    return std::holds_alternative<EvaluationRow>(row);
  });
  if (last != rows.rend()) {
    const auto& row = std::get<EvaluationRow>(*last);
    const auto term = [&](const char* name) {
      const auto found = row.terms.find(name);
      return found == row.terms.end() ? std::nullopt : std::optional(found->second);
    };
    if (row.val_loss == summary.val_loss && row.train_loss == summary.train_loss &&
        term("val_accuracy") == summary.val_accuracy &&
        term("val_macro_accuracy") == summary.val_macro_accuracy &&
        term("train_accuracy") == summary.train_accuracy)
      return "";
  }
  return "summary.json's losses or accuracies are not those of the last evaluation in metrics.jsonl";
}

std::string key_damage(const TrialFolder& folder, const TrialSummary& summary) {
  if (hex(sha256(text_of(folder.key()))) != summary.key)
    return "key.txt is not the text that summary.json's key is the hash of";
  const auto name = parse_trial_folder_name(folder.path().filename().string());
  if (name && !summary.key.starts_with(name->key)) return "the folder's name holds another key than key.txt";
  return "";
}

}  // namespace

std::optional<LogDifference> compare_loss_logs(const TrialFolder& a, const TrialFolder& b) {
  const auto rows_a = read_metrics(a), rows_b = read_metrics(b);
  const auto log_a = loss_log(rows_a), log_b = loss_log(rows_b);
  for (std::size_t i = 0; i < std::max(log_a.size(), log_b.size()); ++i) {
    if (i >= log_a.size()) return LogDifference{iteration_of(rows_b[i]), "the first log has no such row"};
    if (i >= log_b.size()) return LogDifference{iteration_of(rows_a[i]), "the second log has no such row"};
    if (log_a[i] != log_b[i])
      return LogDifference{std::min(iteration_of(rows_a[i]), iteration_of(rows_b[i])),
                           row_difference(log_a[i], log_b[i])};
  }
  return {};
}

std::string ResultComparison::describe() const {
  if (equal()) return "";
  std::vector<std::string> parts;
  if (!weights_equal) parts.push_back("weights");
  if (!summaries_equal) parts.push_back("final losses");
  if (losses) parts.push_back(str("first at iteration ", losses->iteration, " (", losses->what, ")"));
  return join(parts, ", ") + (losses ? "" : ", although the loss logs are equal");
}

ResultComparison compare_results(const TrialFolder& a, const TrialSummary& of_a, const TrialFolder& b,
                                 const TrialSummary& of_b) {
  return {.weights_equal = !of_a.weights_sha256.empty() && of_a.weights_sha256 == of_b.weights_sha256,
          .losses = compare_loss_logs(a, b),
          .summaries_equal = of_a.iterations == of_b.iterations &&
                             std::all_of(measures().begin(), measures().end(), [&](const Measure& measure) {
                               return of_a.*measure.value == of_b.*measure.value;
                             })};
}

std::vector<std::string> find_damage(const TrialFolder& folder, const TrialSummary& summary) {
  auto found = damaged_files(folder, /*again=*/true);
  if (!found.empty()) return found;
  found = sums_damage(folder, summary, *DoneList::read(folder));
  for (const auto& damage : {losses_damage(folder, summary), key_damage(folder, summary)})
    if (!damage.empty()) found.push_back(damage);
  return found;
}

}  // namespace kablate
