#include "report/page/curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "report/curves.h"

namespace kablate::page {
namespace {

constexpr std::size_t kPoints = 12000, kLeastPoints = 60, kMostPoints = 600, kTableRows = 12;

struct Spread {
  double mean = 0, low = 0, high = 0;
};
using Spreads = std::vector<std::pair<double, Spread>>;

std::vector<Curve> curves_of(const Report& report, std::int64_t step) {
  std::vector<Curve> curves;
  for (const auto& trial : report.trials)
    if (trial.planned.step == step && trial.state == TrialState::kDone)
      if (auto curve = curve_of(trial); !curve.empty()) curves.push_back(std::move(curve));
  return curves;
}

// Where all curves have a point.
Spreads spreads_of(const std::vector<Curve>& curves) {
  std::map<double, std::vector<double>> losses;
  for (const auto& curve : curves)
    for (const auto& point : curve) losses[point.iteration].push_back(point.loss);
  Spreads spreads;
  for (const auto& [iteration, values] : losses) {
    if (values.size() != curves.size()) continue;
    const auto [low, high] = std::ranges::minmax(values);
    spreads.push_back({iteration, {mean_sd(values).mean, low, high}});
  }
  return spreads;
}

// At most `most` of them, evenly taken, with the first and the last.
template <typename T>
std::vector<T> thinned(const std::vector<T>& all, std::size_t most) {
  if (all.size() <= most) return all;
  std::vector<T> kept;
  for (std::size_t i = 0; i < most; ++i) kept.push_back(all[i * (all.size() - 1) / (most - 1)]);
  return kept;
}

Json rounded(double value) { return std::round(value * 1e5) / 1e5; }

Json change_json(const std::vector<ChangePoint>& points) {
  Json json{{"x", Json::array()}, {"mean", Json::array()}, {"low", Json::array()}, {"high", Json::array()}};
  for (const auto& point : points) {
    json["x"].push_back(point.iteration);
    json["mean"].push_back(rounded(point.change.mean));
    const auto& interval = point.change.interval;
    json["low"].push_back(interval ? rounded(interval->low) : Json());
    json["high"].push_back(interval ? rounded(interval->high) : Json());
  }
  return json;
}

std::vector<const ReportRow*> rows_with_curves(const Report& report) {
  std::vector<const ReportRow*> rows;
  for (const auto& row : report.rows)
    if (!row.rerun_of && row.control != "dead_twin" && !curves_of(report, row.step).empty())
      rows.push_back(&row);
  return rows;
}

}  // namespace

Json curve_data(const Report& report) {
  const auto rows = rows_with_curves(report);
  const auto most = std::clamp(kPoints / std::max<std::size_t>(rows.size(), 1), kLeastPoints, kMostPoints);
  Json arms = Json::array();
  for (const auto* row : rows) {
    const auto curves = curves_of(report, row->step);
    Json arm{{"step", row->step}, {"name", row->name}, {"role", row->role}, {"seeds", curves.size()}};
    for (const char* key : {"x", "mean", "low", "high"}) arm[key] = Json::array();
    for (const auto& [iteration, spread] : thinned(spreads_of(curves), most)) {
      arm["x"].push_back(iteration);
      arm["mean"].push_back(rounded(spread.mean));
      arm["low"].push_back(rounded(spread.low));
      arm["high"].push_back(rounded(spread.high));
    }
    arm["change"] = change_json(thinned(row->change_curve, most));
    arms.push_back(std::move(arm));
  }
  return {{"heading", report.judged}, {"unit", report.unit}, {"arms", arms}};
}

TextTable curve_table(const Report& report) {
  TextTable table{{"iteration"}, {true}, {}};
  std::vector<std::map<double, double>> columns;
  std::set<double> iterations;
  for (const auto* row : rows_with_curves(report)) {
    table.headings.push_back(str(row->step, " ", row->name)), table.right.push_back(true);
    columns.emplace_back();
    for (const auto& [iteration, spread] : spreads_of(curves_of(report, row->step)))
      columns.back()[iteration] = spread.mean, iterations.insert(iteration);
  }
  for (const double iteration : thinned(std::vector(iterations.begin(), iterations.end()), kTableRows)) {
    std::vector<std::string> cells{fixed(iteration, 0)};
    for (const auto& column : columns) {
      const auto found = column.find(iteration);
      cells.push_back(found == column.end() ? "" : fixed(found->second, 4));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace kablate::page
