#include "cli/judge_table.h"

#include "base/text.h"
#include "report/render.h"
#include "stats/paired.h"

namespace kablate {
namespace {

template <typename Values, typename Get>
std::vector<double> all_of(const Values& by_seed, Get get) {
  std::vector<double> values;
  for (const auto& [seed, value] : by_seed) values.push_back(get(value));
  return values;
}

double loss_of(const Reading& reading) { return reading.loss; }
double repaired_of(const Repair& repair) { return repair.repaired; }

// Each row against the first, by the seeds that both have; the first has none.
template <typename Values, typename Get>
std::vector<std::optional<Difference>> against_first(const std::vector<JudgedRow>& rows,
                                                     Values JudgedRow::*values, Get get) {
  std::vector<std::optional<Difference>> differences;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<double> own, first;
    for (const auto& [seed, value] : rows[i].*values)
      if (const auto other = (rows[0].*values).find(seed); other != (rows[0].*values).end())
        own.push_back(get(value)), first.push_back(get(other->second));
    differences.push_back(own.empty() ? std::nullopt : std::optional(paired_difference(own, first)));
  }
  return differences;
}

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

std::string difference_text(const std::optional<Difference>& difference, double scale, int digits) {
  if (!difference) return "";
  std::string text = signed_fixed(scale * difference->mean, digits);
  if (difference->interval)
    text += str(" [", fixed(scale * difference->interval->low, digits), ", ",
                fixed(scale * difference->interval->high, digits), "]");
  return text;
}

TextTable table_of(const Judged& judged, const Compared& compared) {
  TextTable table{{"step", "name", "drawn again by", "judge's loss", "difference", "distinct", "right",
                   "repaired", "difference", "broken"},
                  {true, false, false, true, true, true, true, true, true, true},
                  {}};
  const auto mean = [](const auto& values, auto get) { return mean_sd(all_of(values, get)).mean; };
  for (std::size_t i = 0; i < judged.rows.size(); ++i) {
    const JudgedRow& row = judged.rows[i];
    if (row.readings.empty()) continue;
    table.rows.push_back({std::to_string(row.step), row.name, row.sampler,
                          fixed(mean(row.readings, loss_of), 4),
                          i == 0 ? "" : difference_text(compared.loss[i - 1], 1, 4),
                          percent(mean(row.readings, [](const Reading& r) { return r.distinct; })),
                          percent(mean(row.repairs, [](const Repair& r) { return r.right; })),
                          percent(mean(row.repairs, repaired_of)),
                          i == 0 ? "" : difference_text(compared.repaired[i - 1], 100, 1),
                          percent(mean(row.repairs, [](const Repair& r) { return r.broken; }))});
  }
  table.rows.push_back({"", "the data", "", fixed(mean(judged.data, loss_of), 4), "",
                        percent(mean(judged.data, [](const Reading& r) { return r.distinct; })), "", "", "",
                        ""});
  return table;
}

}  // namespace

Compared::Compared(const Judged& judged)
    : loss(against_first(judged.rows, &JudgedRow::readings, loss_of)),
      repaired(against_first(judged.rows, &JudgedRow::repairs, repaired_of)),
      loss_verdicts(verdicts(loss, Better::kLess)),
      repaired_verdicts(verdicts(repaired, Better::kMore)) {}

Json to_json(const Judged& judged, const Compared& compared) {
  Json rows = Json::array();
  const auto difference = [](const std::optional<Difference>& d, const std::optional<Verdict>& verdict) {
    if (!d) return Json();
    return Json{{"mean", d->mean},
                {"n", d->n},
                {"ci_low", d->interval ? Json(d->interval->low) : Json()},
                {"ci_high", d->interval ? Json(d->interval->high) : Json()},
                {"p", d->p ? Json(*d->p) : Json()},
                {"verdict", verdict ? Json(verdict->text) : Json()}};
  };
  for (std::size_t i = 0; i < judged.rows.size(); ++i) {
    const JudgedRow& row = judged.rows[i];
    Json seeds = Json::array();
    for (const auto& [seed, reading] : row.readings) {
      const Repair& repair = row.repairs.at(seed);
      seeds.push_back({{"seed", seed},
                       {"loss", reading.loss},
                       {"distinct", reading.distinct},
                       {"right", repair.right},
                       {"repaired", repair.repaired},
                       {"broken", repair.broken}});
    }
    rows.push_back(
        {{"step", row.step},
         {"name", row.name},
         {"sampler", row.sampler},
         {"seeds", seeds},
         {"loss_difference",
          i == 0 ? Json() : difference(compared.loss[i - 1], compared.loss_verdicts[i - 1])},
         {"repaired_difference",
          i == 0 ? Json() : difference(compared.repaired[i - 1], compared.repaired_verdicts[i - 1])}});
  }
  Json data = Json::array();
  for (const auto& [seed, reading] : judged.data)
    data.push_back({{"seed", seed}, {"loss", reading.loss}, {"distinct", reading.distinct}});
  return {{"judge", judged.judge}, {"texts", judged.texts}, {"steps", judged.steps},
          {"seed", judged.seed},   {"rows", rows},          {"data", data}};
}

std::string text_of(const Judged& judged, const Compared& compared, std::size_t width) {
  const auto line = [&](const std::string& text) { return wrapped(text, width); };
  std::string text =
      line(str(judged.texts, " texts of each trial, filled in by ", judged.steps, " steps, read by ",
               judged.judge, "; means over ", judged.data.size(), " seeds"));
  text += aligned(table_of(judged, compared), width) + "\n";
  for (std::size_t i = 1; i < judged.rows.size(); ++i) {
    const JudgedRow& row = judged.rows[i];
    const auto said = [](const std::optional<Verdict>& verdict) {
      return verdict ? verdict->text : std::string("no pair of seeds");
    };
    text += line(str("step ", row.step, " ", row.name, ", by ", row.sampler, ": judge's loss ",
                     said(compared.loss_verdicts[i - 1]), "; tokens repaired ",
                     said(compared.repaired_verdicts[i - 1])));
  }
  const JudgedRow& first = judged.rows[0];
  text += "\n" + line(str("Differences, paired by seed, are from step ", first.step, " ", first.name, ", by ",
                          first.sampler, ", with their 95 % intervals; verdicts are adjusted for ",
                          judged.rows.size() - 1, " rows (Holm, ", shortest(kAlpha), ")."));
  text += line(
      "judge's loss: nats a token that a model of next tokens needs to read the texts; a text that repeats "
      "itself is read easily, so that it says little without distinct, the share of different runs of four "
      "tokens. right: filled tokens of masked validation windows that stood there; the half that is least "
      "sure is drawn once more: repaired, those of the wrong ones that are right then; broken, of the right "
      "ones those that are wrong then.");
  return text;
}

}  // namespace kablate
