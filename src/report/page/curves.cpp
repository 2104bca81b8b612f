#include "report/page/curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "report/curves.h"

namespace kablate::page {
namespace {

constexpr std::size_t kPoints = 12000, kLeastPoints = 20, kMostPoints = 600, kTableRows = 12;
constexpr std::size_t kTrialPoints = 60000, kLeastTrialPoints = 12;

struct Spread {
  double mean = 0, low = 0, high = 0;
};
using Spreads = std::vector<std::pair<double, Spread>>;

// A step that is drawn, with the curves of its finished trials and their seeds.
struct DrawnArm {
  const ReportRow* row = nullptr;
  std::vector<Curve> curves = {};
  std::vector<std::int64_t> seeds = {};
};

// All but reruns and twins, whose curves are another step's, and steps without any.
std::vector<DrawnArm> drawn_arms(const Report& report) {
  std::map<std::int64_t, DrawnArm> by_step;
  for (const auto& trial : report.trials) {
    if (trial.state != TrialState::kDone) continue;
    if (auto curve = curve_of(trial); !curve.empty()) {
      auto& arm = by_step[trial.planned.step];
      arm.curves.push_back(std::move(curve)), arm.seeds.push_back(trial.planned.seed);
    }
  }
  std::vector<DrawnArm> arms;
  for (const auto& row : report.rows) {
    if (row.rerun_of || row.control == "dead_twin" || !by_step.contains(row.step)) continue;
    arms.push_back(std::move(by_step[row.step]));
    arms.back().row = &row;
  }
  return arms;
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

// How many points a trial's own curve has room for; 0 where so few would show nothing.
std::size_t points_of_a_trial(const std::vector<DrawnArm>& arms) {
  std::size_t trials = 0;
  for (const auto& arm : arms) trials += arm.curves.size();
  const auto points = std::min(kTrialPoints / std::max<std::size_t>(trials, 1), kMostPoints);
  return points < kLeastTrialPoints ? 0 : points;
}

// The losses of each trial at some of the iterations at which all of the arm's have one.
Json trials_json(const DrawnArm& arm, const Spreads& spreads, std::size_t most) {
  Json json{{"x", Json::array()}, {"seeds", arm.seeds}, {"y", Json::array()}};
  std::set<double> iterations;
  for (const auto& [iteration, spread] : thinned(spreads, most))
    json["x"].push_back(iteration), iterations.insert(iteration);
  for (const auto& curve : arm.curves) {
    Json losses = Json::array();
    for (const auto& point : curve)
      if (iterations.contains(point.iteration)) losses.push_back(rounded(point.loss));
    json["y"].push_back(std::move(losses));
  }
  return json;
}

}  // namespace

Json curve_data(const Report& report) {
  const auto drawn = drawn_arms(report);
  const auto most = std::clamp(kPoints / std::max<std::size_t>(drawn.size(), 1), kLeastPoints, kMostPoints);
  const auto of_a_trial = points_of_a_trial(drawn);
  std::size_t evaluations = 0;
  Json arms = Json::array();
  for (const auto& one : drawn) {
    const auto* row = one.row;
    const auto spreads = spreads_of(one.curves);
    Json arm{{"step", row->step}, {"name", row->name}, {"role", row->role}, {"seeds", one.curves.size()}};
    for (const char* key : {"x", "mean", "low", "high"}) arm[key] = Json::array();
    for (const auto& [iteration, spread] : thinned(spreads, most)) {
      arm["x"].push_back(iteration);
      arm["mean"].push_back(rounded(spread.mean));
      arm["low"].push_back(rounded(spread.low));
      arm["high"].push_back(rounded(spread.high));
    }
    arm["change"] = change_json(thinned(row->change_curve, most));
    if (of_a_trial > 0 && one.curves.size() > 1) arm["trials"] = trials_json(one, spreads, of_a_trial);
    evaluations = std::max(evaluations, spreads.size());
    arms.push_back(std::move(arm));
  }
  return {{"heading", report.judged},   {"unit", report.unit}, {"arms", arms},
          {"evaluations", evaluations}, {"points", most},      {"trial_points", of_a_trial}};
}

TextTable curve_table(const Report& report) {
  TextTable table{{"iteration"}, {true}, {}};
  std::vector<std::map<double, double>> columns;
  std::set<double> iterations;
  for (const auto& arm : drawn_arms(report)) {
    table.headings.push_back(str(arm.row->step, " ", arm.row->name)), table.right.push_back(true);
    columns.emplace_back();
    for (const auto& [iteration, spread] : spreads_of(arm.curves))
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
