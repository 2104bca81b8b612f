#include "report/page/answer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "report/columns.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/page/settling.h"
#include "report/sections.h"

namespace kablate::page {
namespace {

constexpr double kSame = 0.005;  // costs closer than this part are called the same

template <typename T>
void add_cost(std::vector<std::string>& parts, const char* name, const std::optional<T>& own,
              const std::optional<T>& other, const std::string& text) {
  if (!own || !other || *other <= 0) return;
  const double ratio = static_cast<double>(*own) / static_cast<double>(*other);
  parts.push_back(std::abs(ratio - 1) < kSame ? str(name, " as before")
                                              : str(fixed(ratio, 2), " × the ", name, " (", text, ")"));
}

std::string count_text(const std::optional<std::int64_t>& value) {
  return value ? human_count(static_cast<double>(*value)) : "";
}

std::string bytes_text(const std::optional<std::int64_t>& value) {
  return value ? human_bytes(static_cast<double>(*value)) : "";
}

std::optional<std::int64_t> active_of(const ReportRow& row) {
  return row.active_parameters ? row.active_parameters : row.parameters;
}

// "2.43 × the parameters (773.4k), …, decode cache as before": of a step beside what it is compared with.
std::string cost_text(const ReportRow& row, const ReportRow& reference) {
  std::vector<std::string> parts;
  add_cost(parts, "parameters", row.parameters, reference.parameters, count_text(row.parameters));
  if (active_of(row) != row.parameters || active_of(reference) != reference.parameters)
    add_cost(parts, "parameters that a token goes through", active_of(row), active_of(reference),
             count_text(active_of(row)));
  if (row.nonzero_parameters) parts.push_back(count_text(row.nonzero_parameters) + " of them not 0");
  if (row.times_comparable)
    add_cost(parts, "time an iteration", row.ms_per_iter, reference.ms_per_iter,
             row.ms_per_iter ? fixed(*row.ms_per_iter, 1) + " ms" : "");
  else if (row.ms_per_iter && reference.ms_per_iter)
    parts.emplace_back("times not comparable (other load, or another machine)");
  add_cost(parts, "FLOPs", row.flops_per_iteration, reference.flops_per_iteration,
           row.flops_per_iteration ? human_count(*row.flops_per_iteration) : "");
  add_cost(parts, "memory", row.peak_tensor_bytes, reference.peak_tensor_bytes,
           bytes_text(row.peak_tensor_bytes));
  add_cost(parts, "decode cache", row.decode_cache_bytes_per_token, reference.decode_cache_bytes_per_token,
           bytes_text(row.decode_cache_bytes_per_token) + " a token");
  return join(parts, ", ");
}

bool diverged(const ReportRow& row) { return row.status.find("diverged") != std::string::npos; }

// Why an arm has no verdict; "" of one that has.
std::string why_not_judged(const ReportRow& row, const ReportRow* reference) {
  if (row.verdict) return "";
  if (row.status.starts_with("blocked")) return row.status;
  if (reference == nullptr) return "the step that it is compared with is not among those selected";
  if (diverged(row) || diverged(*reference))
    return str(diverged(row) ? row.name : reference->name,
               " diverged in some seed: what is left of its seeds is a selection");
  if (row.seeds == 0) return row.status;
  if (reference->seeds == 0) return str(reference->name, " has no finished trial: ", reference->status);
  return "no seed of both can be compared (the notes below the table say why)";
}

std::string word_of(const ReportRow& row) {
  if (!row.verdict) return diverged(row) ? "diverged" : row.seeds == 0 ? "unfinished" : "not judged";
  switch (row.verdict->kind) {
    case VerdictKind::kBetter:
      return "better";
    case VerdictKind::kWorse:
      return "worse";
    case VerdictKind::kNoDifference:
      return "not told apart";
    case VerdictKind::kNotEnoughSeeds:
      return "open";
    case VerdictKind::kWithheld:
      return "withheld";
  }
  return "";
}

std::string change_text(const Report& report, const ReportRow& row, const ReportRow& reference) {
  const auto& d = *row.delta;
  std::string text = str(report.judged, " changes by ", signed_fixed(d.mean, 4), " ", report.unit,
                         " against ", reference.name);
  if (d.interval) text += str(", 95 % interval ", interval_text(*d.interval));
  if (row.delta_percent) text += str(", ", signed_fixed(*row.delta_percent, 2), " %");
  text += str("; ", d.n, d.n == 1 ? " pair" : d.paired ? " pairs" : " seeds a side, unpaired");
  if (row.verdict && row.verdict->holm) text += ", p Holm " + p_text(row.verdict->holm->adjusted_p);
  return text;
}

std::string effect_text(const Report& report, const ReportRow& row) {
  const auto* reference = reference_of(report, row);
  const auto why = why_not_judged(row, reference);
  std::string text = why.empty() ? row.verdict->text : "no verdict: " + why;
  if (row.delta && reference != nullptr)
    text += str(why.empty() ? ": " : ". Of what there is, the ", change_text(report, row, *reference));
  return text + ".";
}

// What the arm is beside controls of its size.
std::vector<std::string> control_texts(const Report& report, const ReportRow& row) {
  std::vector<std::string> texts;
  for (const auto& control : report.rows) {
    if (!control.versus_control || control.control_of != row.step) continue;
    const auto *own = report.find_row(control.matched->arm),
               *other = report.find_row(control.matched->control);
    if (own == nullptr || other == nullptr) continue;
    const auto& d = *control.versus_control;
    texts.push_back(str("At equal ", control.control == "flops" ? "FLOPs" : "parameters", ", step ",
                        own->step, " ", own->name, " minus step ", other->step, " ", other->name, ": ",
                        signed_fixed(d.mean, 4), d.interval ? " " + interval_text(*d.interval) : "",
                        d.p ? ", p " + p_text(*d.p) + " (not adjusted)" : "", "."));
  }
  return texts;
}

std::string arm_item(const Report& report, const ReportRow& row) {
  std::string inner = str("<h3>", escaped(str(row.step, "  ", row.name)), " ",
                          element("span", {{"class", "badge"}}, escaped(word_of(row))), "</h3>",
                          element("p", {}, escaped(effect_text(report, row))));
  for (const auto& text : control_texts(report, row)) inner += element("p", {}, escaped(text));
  if (const auto* reference = reference_of(report, row))
    if (const auto cost = cost_text(row, *reference); !cost.empty())
      inner += element("p", {}, escaped("Cost: " + cost + "."));
  if (const auto settling = settling_text(report, row); !settling.empty())
    inner += element("p", {}, escaped(settling));
  return element("li", {{"class", class_of(ink_of(row.verdict))}}, inner);
}

// What the arms are compared with, in a word.
std::string against_text(const Report& report) {
  if (std::any_of(report.rows.begin(), report.rows.end(), [](const auto& row) { return row.against; }))
    return "each against the step that it is named beside";
  const auto* baseline = report.find_row(report.baseline);
  return "against " + (baseline == nullptr ? str("step ", report.baseline) : baseline->name);
}

std::string lead(const Report& report, const std::vector<const ReportRow*>& arms) {
  std::map<std::string, std::vector<std::string>> names;
  for (const auto* row : arms) names[word_of(*row)].push_back(row->name);
  std::vector<std::string> parts;
  for (const char* word : {"better", "worse", "not told apart", "open", "withheld"})
    if (const auto found = names.find(word); found != names.end()) {
      parts.push_back(str(word, ": ", join(found->second, ", ")));
      names.erase(found);
    }
  for (const auto& [word, rest] : names) parts.push_back(str(word, ": ", join(rest, ", ")));
  return str(arms.size(), arms.size() == 1 ? " arm " : " arms ", against_text(report), ". ",
             join(parts, "; "), ".");
}

}  // namespace

std::string answer_markup(const Report& report) {
  std::vector<const ReportRow*> arms;
  for (const auto& row : report.rows)
    if (row.role == "arm") arms.push_back(&row);
  if (arms.empty()) return "<p class=lead>No arm: nothing is compared.</p>";
  std::string items;
  for (const auto* row : arms) items += arm_item(report, *row);
  std::string text =
      str(element("p", {{"class", "lead"}}, escaped(lead(report, arms))), "<ul class=arms>", items, "</ul>");
  if (const auto all = settle_all(report); !all.empty()) text += element("p", {}, prose(all));
  return text;
}

}  // namespace kablate::page
