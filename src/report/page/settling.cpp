#include "report/page/settling.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "stats/power.h"

namespace kablate::page {
namespace {

constexpr std::size_t kMostSeeds = 1000;  // beyond them a number says nothing any more
constexpr double kLargestEffect = 10;     // sd; what is larger takes no fewer pairs

bool is_open(const ReportRow& row) {
  return row.verdict && row.verdict->kind == VerdictKind::kNotEnoughSeeds && row.delta;
}

std::size_t family_of(const Report& report) { return std::max<std::size_t>(report.family, 1); }

std::size_t missing_pairs(const Report& report, const ReportRow& row) {
  const auto claim = pairs_to_claim(family_of(report));
  return claim - std::min(claim, row.delta->n);
}

// Finished seeds of both sides that are no pair: seeds more don't mend them.
std::size_t lost_pairs(const Report& report, const ReportRow& row) {
  const auto* reference = reference_of(report, row);
  const auto both = reference == nullptr ? row.seeds : std::min(row.seeds, reference->seeds);
  return both - std::min(both, row.delta->n);
}

double seconds_a_seed(const ReportRow& row) {
  return row.wall_seconds.value_or(0) / static_cast<double>(1 + row.beside.value_or(0));
}

// The plan's seeds, and as many behind them as make `count`.
std::vector<std::int64_t> seeds_up_to(const Report& report, std::size_t count) {
  auto seeds = report.seeds;
  for (std::int64_t next = seeds.empty() ? 1 : std::ranges::max(seeds) + 1; seeds.size() < count; ++next)
    seeds.push_back(next);
  return seeds;
}

std::string without_blanks(std::string list) {
  std::erase(list, ' ');
  return list;
}

bool has_failed(const Report& report) {
  return std::any_of(report.trials.begin(), report.trials.end(), [](const auto& trial) {
    return trial.state == TrialState::kFailed || trial.state == TrialState::kDiverged;
  });
}

// How many pairs find a change as large as the one seen, by the spread seen.
std::string seeds_for_this_change(const Difference& difference, std::size_t claim, double level) {
  const double effect = std::min(std::abs(difference.mean) / *difference.sd, kLargestEffect);
  if (effect <= 0) return "";
  const auto seeds =
      paired_t_power(effect, kMostSeeds, level) < kUsualPower ? kMostSeeds + 1 : least_pairs(effect, level);
  return seeds > kMostSeeds ? str(", and one as small as it looks now takes more than ", kMostSeeds)
                            : str(", and one as large as it looks now takes about ", std::max(seeds, claim));
}

}  // namespace

const ReportRow* reference_of(const Report& report, const ReportRow& row) {
  return report.find_row(row.against.value_or(report.baseline));
}

std::string settling_text(const Report& report, const ReportRow& row) {
  const auto* reference = reference_of(report, row);
  if (!is_open(row) || reference == nullptr) return "";
  const auto more = missing_pairs(report, row);
  std::string text = str("To be judged it needs ", more, more == 1 ? " pair more" : " pairs more");
  if (const double seconds = seconds_a_seed(row) + seconds_a_seed(*reference); seconds > 0)
    text += str(" (about ", human_duration(seconds * static_cast<double>(more)), " with those of ",
                reference->name, ")");
  const auto claim = pairs_to_claim(family_of(report));
  const double level = kAlpha / static_cast<double>(family_of(report));
  if (row.delta->sd && *row.delta->sd > 0)
    text += str("; by the spread so far ", claim, " pairs find a change of ",
                fixed(smallest_effect(claim, level) * *row.delta->sd, 4), " in 80 of 100 cases",
                seeds_for_this_change(*row.delta, claim, level));
  if (const auto lost = lost_pairs(report, row); lost > 0)
    text += str(". ", lost, lost == 1 ? " seed is" : " seeds are",
                " finished on both sides and no pair: the notes below the table say why");
  return text + ".";
}

std::string settle_all(const Report& report) {
  std::size_t count = 0;
  for (const auto& row : report.rows)
    if (is_open(row))
      count = std::max(count, row.delta->n + missing_pairs(report, row) + lost_pairs(report, row));
  if (count == 0) return "";
  if (!report.caution.empty())
    return str("What is open takes ", count, " seeds of each arm; import a file that has them.");
  const auto seeds = seeds_up_to(report, count);
  std::vector<std::int64_t> steps;
  double seconds = 0;
  for (const auto& row : report.rows) {
    steps.push_back(row.step);
    seconds += seconds_a_seed(row) * static_cast<double>(seeds.size() - std::min(seeds.size(), row.seeds));
  }
  return str("What is open is judged, with this experiment's .config, by `make STEPS=",
             without_blanks(list_text(steps)), " SEEDS=", without_blanks(list_text(seeds)), "`",
             seconds > 0 ? ", about " + human_duration(seconds) + " where these trials ran" : "", ".",
             has_failed(report) ? " `make retry` tries again what failed or diverged." : "",
             " Decide on the seeds before looking again: looks are counted.");
}

}  // namespace kablate::page
