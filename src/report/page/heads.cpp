// What the heads of each step do: a map of layers × heads, mean over the seeds that were looked at.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/heads_map.h"
#include "report/page/figures.h"
#include "report/page/markup.h"

namespace kablate::page {
namespace {

struct HeadMap {
  std::int64_t layers = 0, heads = 0, seeds = 0;
  std::map<std::pair<std::int64_t, std::int64_t>, double> sum;  // of induction, by layer and head
};

// Of the trials whose heads were looked at on the same sequences; steps may have several such kinds.
std::map<std::string, HeadMap> maps_of(const Report& report, std::int64_t step) {
  std::map<std::string, HeadMap> maps;
  for (const auto& trial : report.trials) {
    if (trial.planned.step != step || !trial.heads) continue;
    auto& map = maps[trial.heads->sequences_text()];
    ++map.seeds;
    for (const auto& head : trial.heads->heads) {
      map.layers = std::max(map.layers, head.layer + 1), map.heads = std::max(map.heads, head.head + 1);
      map.sum[{head.layer, head.head}] += head.induction;
    }
  }
  return maps;
}

Drawing draw_heads(const HeadMap& map, const std::string& title) {
  constexpr double kCell = 34, kLeft = 46, kTop = 34;
  std::vector<std::string> spoken;
  for (const auto& [place, sum] : map.sum)
    spoken.push_back(
        str(place.first, ".", place.second, " ", score_text(sum / static_cast<double>(map.seeds))));
  Drawing drawing(std::max(kLeft + kCell * static_cast<double>(map.heads) + 8, 220.0),
                  kTop + kCell * static_cast<double>(map.layers) + 8, title,
                  str("Induction of each layer.head, mean over seeds: ", join(spoken, ", ")));
  drawing.text({4, 12}, shortened(title, 30), Ink::kText);
  for (std::int64_t head = 0; head < map.heads; ++head)
    drawing.text({kLeft + kCell * (static_cast<double>(head) + 0.5), kTop - 6}, std::to_string(head),
                 Ink::kQuiet, Drawing::Anchor::kMiddle, 10);
  for (std::int64_t layer = 0; layer < map.layers; ++layer) {
    const double top = kTop + kCell * static_cast<double>(layer);
    drawing.text({kLeft - 6, top + kCell / 2 + 4}, str("layer ", layer), Ink::kQuiet, Drawing::Anchor::kEnd,
                 10);
    for (std::int64_t head = 0; head < map.heads; ++head) {
      const auto found = map.sum.find({layer, head});
      if (found == map.sum.end()) continue;
      const double score = found->second / static_cast<double>(map.seeds);
      drawing.cell({kLeft + kCell * static_cast<double>(head), top}, kCell, score, score_text(score),
                   str("layer ", layer, " head ", head, ": ", score_text(score)));
    }
  }
  return drawing;
}

}  // namespace

std::string heads_figures(const Report& report) {
  std::string figures;
  for (const auto& row : report.rows) {
    if (row.rerun_of) continue;
    std::int64_t number = 0;
    for (const auto& [sequences, map] : maps_of(report, row.step))
      figures += figure(draw_heads(map, str(row.step, " ", row.name)), str("heads-", row.step, "-", number++),
                        str(row.step, " ", row.name, " on ", sequences,
                            map.seeds == 1 ? ", one seed." : str(", mean over ", map.seeds, " seeds.")),
                        "");
  }
  if (figures.empty()) return "";
  return str(
      "<p>How much of its attention each head gives to what followed the same id before (induction).</p>",
      "<div class=panels>", figures, "</div>");
}

}  // namespace kablate::page
