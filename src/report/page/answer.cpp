#include "report/page/answer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "report/columns.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "stats/power.h"

namespace kablate::page {
namespace {

constexpr double kSame = 0.005;           // costs closer than this part are called the same
constexpr std::size_t kMostSeeds = 1000;  // beyond them a number says nothing any more

bool is_open(const ReportRow& row) {
  return row.verdict && row.verdict->kind == VerdictKind::kNotEnoughSeeds;
}

const ReportRow* reference_of(const Report& report, const ReportRow& row) {
  return report.find_row(row.against.value_or(report.baseline));
}

template <typename T>
void add_cost(std::vector<std::string>& parts, const char* name, const std::optional<T>& own,
              const std::optional<T>& other, const std::string& text, const char* mark = "") {
  if (!own || !other || *other <= 0) return;
  const double ratio = static_cast<double>(*own) / static_cast<double>(*other);
  parts.push_back(std::abs(ratio - 1) < kSame ? str(name, " as before", mark)
                                              : str(fixed(ratio, 2), " × the ", name, " (", text, ")", mark));
}

std::size_t seeds_to_claim(const Report& report) {
  return pairs_to_claim(std::max<std::size_t>(report.family, 1));
}

// The plan's seeds and as many behind them as make `count`.
std::string seeds_up_to(const Report& report, std::size_t count) {
  auto seeds = report.seeds;
  for (std::int64_t next = seeds.empty() ? 1 : *std::ranges::max_element(seeds) + 1; seeds.size() < count;
       ++next)
    seeds.push_back(next);
  std::string text = list_text(seeds);
  std::erase(text, ' ');
  return text;
}

// Of one seed more of both steps, where their trials say how long they took and how many ran at once.
std::optional<double> seconds_a_seed(const ReportRow& row, const ReportRow& reference) {
  if (!row.wall_seconds || !reference.wall_seconds) return {};
  return (*row.wall_seconds + *reference.wall_seconds) / static_cast<double>(1 + row.beside.value_or(0));
}

std::string word_of(const ReportRow& row) {
  if (!row.verdict) return row.status == "done" ? "not judged" : row.status.substr(0, row.status.find(':'));
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

std::string effect_text(const Report& report, const ReportRow& row) {
  const auto* reference = reference_of(report, row);
  if (!row.delta || reference == nullptr) return row.status;
  const auto& d = *row.delta;
  std::string text = row.verdict ? row.verdict->text : std::string("no verdict");
  text += str(": ", report.judged, " changes by ", signed_fixed(d.mean, 4), " ", report.unit, " against ",
              reference->name);
  if (d.interval) text += str(", 95 % interval ", interval_text(*d.interval));
  if (row.delta_percent) text += str(", ", signed_fixed(*row.delta_percent, 2), " %");
  text += str("; ", d.n, d.n == 1 ? " pair" : d.paired ? " pairs" : " seeds a side, unpaired");
  if (row.verdict && row.verdict->holm) text += ", p Holm " + p_text(row.verdict->holm->adjusted_p);
  return text + ".";
}

// What the arm is beside controls of its size.
std::vector<std::string> control_texts(const Report& report, const ReportRow& row) {
  std::vector<std::string> texts;
  for (const auto& control : report.rows) {
    if (!control.versus_control || control.control_of != row.step) continue;
    const auto& d = *control.versus_control;
    texts.push_back(str("At equal ", control.control == "flops" ? "FLOPs" : "parameters", " (",
                        control.control, "): ", signed_fixed(d.mean, 4),
                        d.interval ? " " + interval_text(*d.interval) : "",
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
    inner += element("p", {}, prose(settling));
  const char* const kClasses[] = {"text",  "text", "text", "text",   "better",
                                  "worse", "same", "open", "control"};
  return element("li", {{"class", kClasses[static_cast<int>(ink_of(row.verdict))]}}, inner);
}

std::string lead(const Report& report, const std::vector<const ReportRow*>& arms) {
  const auto* baseline = report.find_row(report.baseline);
  std::map<std::string, std::vector<std::string>> names;
  for (const auto* row : arms) names[word_of(*row)].push_back(row->name);
  std::vector<std::string> parts;
  for (const char* word : {"better", "worse", "not told apart", "open", "withheld"})
    if (const auto found = names.find(word); found != names.end()) {
      parts.push_back(str(word, ": ", join(found->second, ", ")));
      names.erase(found);
    }
  for (const auto& [word, rest] : names) parts.push_back(str(word, ": ", join(rest, ", ")));
  return str(arms.size(), arms.size() == 1 ? " arm" : " arms", " against ",
             baseline == nullptr ? str("step ", report.baseline) : baseline->name, ". ", join(parts, "; "),
             ".");
}

// One command for all that is open.
std::string settle_all(const Report& report, const std::vector<const ReportRow*>& arms) {
  std::vector<std::int64_t> steps{report.baseline};
  double seconds = 0;
  for (const auto* row : arms)
    if (is_open(*row)) {
      steps.push_back(row->step);
      if (row->against) steps.push_back(*row->against);
    }
  if (steps.size() == 1) return "";
  std::ranges::sort(steps);
  steps.erase(std::ranges::unique(steps).begin(), steps.end());
  const auto claim = seeds_to_claim(report);
  for (const auto step : steps)
    if (const auto* row = report.find_row(step))
      seconds += static_cast<double>(claim - std::min(claim, row->seeds)) * row->wall_seconds.value_or(0) /
                 static_cast<double>(1 + row->beside.value_or(0));
  std::string list = list_text(steps);
  std::erase(list, ' ');
  return str("What is open is judged by `make STEPS=", list, " SEEDS=", seeds_up_to(report, claim), "`",
             seconds > 0 ? ", about " + human_duration(seconds) + " where these trials ran" : "",
             ". Decide on the seeds before looking again: looks are counted.");
}

}  // namespace

std::string cost_text(const ReportRow& row, const ReportRow& reference) {
  std::vector<std::string> parts;
  const auto count = [](const auto& value) { return value ? human_count(static_cast<double>(*value)) : ""; };
  const auto bytes = [](const auto& value) { return value ? human_bytes(static_cast<double>(*value)) : ""; };
  const bool shared = !row.time_load.empty() || !row.time_hosts.empty() || !reference.time_load.empty() ||
                      !reference.time_hosts.empty();
  add_cost(parts, "parameters", row.parameters, reference.parameters, count(row.parameters));
  add_cost(parts, "time an iteration", row.ms_per_iter, reference.ms_per_iter,
           row.ms_per_iter ? fixed(*row.ms_per_iter, 1) + " ms" : "", shared ? " (under other load)" : "");
  add_cost(parts, "FLOPs", row.flops_per_iteration, reference.flops_per_iteration,
           count(row.flops_per_iteration));
  add_cost(parts, "memory", row.peak_tensor_bytes, reference.peak_tensor_bytes, bytes(row.peak_tensor_bytes));
  add_cost(parts, "decode cache", row.decode_cache_bytes_per_token, reference.decode_cache_bytes_per_token,
           bytes(row.decode_cache_bytes_per_token) + " a token");
  return join(parts, ", ");
}

std::string settling_text(const Report& report, const ReportRow& row) {
  const auto* reference = reference_of(report, row);
  if (!is_open(row) || !row.delta || reference == nullptr) return "";
  const auto claim = seeds_to_claim(report);
  const auto more = claim - std::min(claim, row.delta->n);
  std::string text = str("To be judged it needs ", more, more == 1 ? " seed more" : " seeds more");
  if (const auto seconds = seconds_a_seed(row, *reference))
    text += str(" (about ", human_duration(*seconds * static_cast<double>(more)), " with the reference's)");
  const double level = kAlpha / static_cast<double>(std::max<std::size_t>(report.family, 1));
  if (!row.delta->sd || *row.delta->sd <= 0) return text + ".";
  text += str("; by the spread so far ", claim, " seeds find a change of ",
              fixed(smallest_effect(claim, level) * *row.delta->sd, 4), " in 80 of 100 cases");
  if (const double effect = std::abs(row.delta->mean) / *row.delta->sd; effect > 0) {
    // 4 sd²/n a mean's variance grows as slowly as this: no need to search where it is far beyond the most.
    const bool few = effect * std::sqrt(static_cast<double>(kMostSeeds)) > 3;
    const auto seeds = few ? least_pairs(effect, level) : kMostSeeds;
    text += seeds < kMostSeeds
                ? str(", and one as large as it looks now takes about ", std::max(seeds, claim))
                : str(", and one as small as it looks now takes more than ", kMostSeeds);
  }
  return text + ".";
}

std::string answer_markup(const Report& report) {
  std::vector<const ReportRow*> arms;
  for (const auto& row : report.rows)
    if (row.role == "arm") arms.push_back(&row);
  if (arms.empty()) return "<p class=lead>One arm: nothing is compared.</p>";
  std::string items;
  for (const auto* row : arms) items += arm_item(report, *row);
  std::string text =
      str(element("p", {{"class", "lead"}}, escaped(lead(report, arms))), "<ul class=arms>", items, "</ul>");
  if (const auto all = settle_all(report, arms); !all.empty()) text += element("p", {}, prose(all));
  return text;
}

}  // namespace kablate::page
