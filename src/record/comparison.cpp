#include "record/comparison.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/metrics.h"
#include "record/reader.h"

namespace kablate {
namespace {

// The first key of two rows whose values differ, with both.
std::string row_difference(const Json& a, const Json& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.items()) keys.insert(key);
  for (const auto& [key, value] : b.items()) keys.insert(key);
  for (const auto& key : keys) {
    const Json in_a = a.value(key, Json()), in_b = b.value(key, Json());
    if (in_a != in_b) return str(key, " ", in_a.dump(), " -> ", in_b.dump());
  }
  return "";
}

std::string text_of(const std::filesystem::path& path) {
  try {
    return read_text(path);
  } catch (const UserError&) {
    return "";
  }
}

std::string weights_damage(const TrialFolder& folder, const TrialSummary& summary) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(folder.weights(), ignored)) return "weights.safetensors is missing";
  if (file_sha256(folder.weights().string()) != summary.weights_sha256)
    return "weights.safetensors has not the SHA-256 that summary.json recorded";
  if (text_of(folder.weights_checksum()) != summary.weights_sha256 + "  weights.safetensors\n")
    return "weights.sha256 has not the SHA-256 that summary.json recorded";
  return "";
}

// The final losses stand in the log and in the summary.
std::string losses_damage(const TrialFolder& folder, const TrialSummary& summary) {
  if (loss_log_sha256(folder.metrics()) != summary.metrics_sha256)
    return "metrics.jsonl has not the losses that summary.json recorded the SHA-256 of";
  std::string problem;
  const auto rows = read_metrics(folder.metrics(), &problem);
  if (!problem.empty()) return problem;
  const auto last = std::find_if(rows.rbegin(), rows.rend(),
                                 [](const Json& row) { return row.value("kind", Json()) == "eval"; });
  const auto is = [&](const char* key, const std::optional<double>& value) {
    return last->value(key, Json()) == (value ? Json(*value) : Json());
  };
  if (last == rows.rend() || !is("val_loss", summary.val_loss) || !is("train_loss", summary.train_loss))
    return "summary.json's losses are not those of the last evaluation in metrics.jsonl";
  return "";
}

std::string key_damage(const TrialFolder& folder, const TrialSummary& summary) {
  if (hex(sha256(read_key_text(folder))) != summary.key)
    return "key.txt is not the text that summary.json's key is the hash of";
  const auto name = parse_trial_folder_name(folder.path().filename().string());
  if (name && !summary.key.starts_with(name->key)) return "the folder's name holds another key than key.txt";
  return "";
}

}  // namespace

std::optional<LogDifference> compare_loss_logs(const TrialFolder& a, const TrialFolder& b) {
  const auto log_a = loss_log(read_metrics(a.metrics())), log_b = loss_log(read_metrics(b.metrics()));
  for (std::size_t i = 0; i < std::max(log_a.size(), log_b.size()); ++i) {
    if (i >= log_a.size()) return LogDifference{log_b[i]["iteration"], "the first log has no such row"};
    if (i >= log_b.size()) return LogDifference{log_a[i]["iteration"], "the second log has no such row"};
    if (log_a[i] == log_b[i]) continue;
    const auto of = [i](const std::vector<Json>& log) { return log[i]["iteration"].get<std::int64_t>(); };
    return LogDifference{std::min(of(log_a), of(log_b)), row_difference(log_a[i], log_b[i])};
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
          .summaries_equal = of_a.iterations == of_b.iterations && of_a.val_loss == of_b.val_loss &&
                             of_a.train_loss == of_b.train_loss};
}

std::vector<std::string> find_damage(const TrialFolder& folder, const TrialSummary& summary) {
  std::vector<std::string> found;
  for (const auto& damage :
       {weights_damage(folder, summary), losses_damage(folder, summary), key_damage(folder, summary)})
    if (!damage.empty()) found.push_back(damage);
  return found;
}

}  // namespace kablate
