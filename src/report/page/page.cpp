#include "report/page/page.h"

#include <set>

#include "base/text.h"
#include "report/columns.h"
#include "report/page/answer.h"
#include "report/page/curves.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/page/origin.h"
#include "report/sections.h"

namespace kablate {
namespace {

using namespace page;

// No source of anything but what stands on the page.
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'";

struct Chapter {
  std::string id, title, inner;
};

const Section* find_section(const std::vector<Section>& sections, const std::string& id) {
  for (const auto& section : sections)
    if (section.id == id) return &section;
  return nullptr;
}

std::string section_inner(const Section& section) {
  return str(section.meaning.empty() ? "" : element("p", {}, prose(section.meaning)),
             table_markup(section.table, section.title));
}

// What of the curves the page has no room for, and where it stands.
std::string left_out_of_curves(const Json& data) {
  const std::size_t evaluations = data["evaluations"], points = data["points"], own = data["trial_points"];
  std::vector<std::string> parts;
  if (evaluations > points)
    parts.push_back(str("A curve of means is drawn by ", points, " of ", evaluations, " evaluations."));
  if (own == 0)
    parts.emplace_back("The curves of single trials are not on this page: there are too many.");
  else if (evaluations > own)
    parts.push_back(str("A trial's own curve is drawn by ", own, " of ", evaluations, " evaluations."));
  parts.emplace_back("`kablate report RESULT_DIR --csv-long` prints every point of every trial.");
  return join(parts, " ");
}

std::string curves_inner(const Report& report) {
  const auto data = curve_data(report);
  if (data["arms"].empty()) return "";
  return str(
      "<p>Means over seeds; the band is from the lowest seed to the highest, of a change its 95 % interval "
      "by pairs. Drag to zoom, double click for all of it; a click on a name hides its curve.</p>",
      element("p", {}, prose(left_out_of_curves(data))),
      "<div id=plot role=group aria-label=\"Validation curves; the numbers stand in the table below\"></div>",
      "<noscript><p>The curves are drawn by a script; the table below has their numbers.</p></noscript>",
      data_element("curve-data", data),
      folded("The numbers", table_markup(curve_table(report), "Mean loss at a dozen evaluations")));
}

std::string finding_inner(const Report& report) {
  std::string notes;
  for (const auto& note : report.notes) notes += element("li", {}, prose(note));
  return str(table_markup(make_table(report, finding_columns()), "What was found"), "<p>",
             escaped(str("change: the difference in ", report.judged, " to ", compared_with(report), ", in ",
                         report.unit, ".")),
             "</p>", notes.empty() ? "" : str("<ul>", notes, "</ul>"));
}

std::string trials_inner(const Report& report, const Section& trials) {
  constexpr std::size_t kMostListed = 500;
  const auto count = trials.table.rows.size();
  if (count <= kMostListed) return folded(str(count, " trials"), section_inner(trials));
  return str(element("p", {},
                     prose(str(grouped(static_cast<std::int64_t>(count)),
                               " trials, more than a page can list: what follows is a summary by step. "
                               "`report.md` has a line for each, with its state, loss and folder."))),
             table_markup(trial_summary_table(report), "Trials by step"));
}

std::vector<Chapter> chapters_of(const ExperimentFolder& folder, const Report& report) {
  const auto sections = report_sections(report);
  std::vector<Chapter> chapters;
  const auto add = [&](const char* id, const std::string& title, const std::string& inner) {
    if (!inner.empty()) chapters.push_back({id, title, inner});
  };
  const auto with_section = [&](const std::string& figure, const char* id) {
    const auto* section = find_section(sections, id);
    return figure + (section == nullptr ? "" : section_inner(*section));
  };
  const auto add_section = [&](const char* id) {
    if (const auto* section = find_section(sections, id)) add(id, section->title, section_inner(*section));
  };
  add("answer", "The answer", answer_markup(report));
  add("changes", "Changes and intervals", forest_figure(report));
  add("table", "The table", finding_inner(report));
  add_section("controls");
  add("stair", "From stair to stair", stairs_figure(report));
  if (!report.effects.empty())
    add("factorial", effects_title(report), with_section(effects_figure(report), "effects"));
  add("curves", "Validation curves", curves_inner(report));
  add("cost", "What a gain costs", with_section(cost_figures(report), "costs"));
  add_section("worth");
  add_section("tests");
  add("used", "Does the trained model use it?", knockout_figure(report));
  add("head-maps", kHeadsTitle, with_section(heads_figures(report), "heads"));
  add_section("uses");
  add_section("gates");
  add("differences", "How the arms differ", differences_markup(report));
  if (const auto* trials = find_section(sections, "trials"))
    add("trials", "Trials", trials_inner(report, *trials));
  add("environment", "Environment", environment_markup(folder, report));
  add("again", "Make it again", commands_markup(folder, report));
  return chapters;
}

// Seeds, trials and when the last of them ended.
std::string subtitle(const Report& report) {
  std::size_t done = 0;
  std::string last;
  for (const auto& trial : report.trials)
    if (trial.state == TrialState::kDone) ++done, last = std::max(last, trial.summary->ended);
  return str("seeds ", list_text(report.seeds), "; ", done, " of ", report.trials.size(), " trials finished",
             last.empty() ? "" : ", the last " + last);
}

}  // namespace

std::string render_page(const ExperimentFolder& folder, const Report& report) {
  const auto name = experiment_name(report);
  const std::string title = name == report.name ? name : str(name, " (", report.name, ")");
  std::string faults, links, body;
  for (const auto& fault : report.faults)
    faults += element("p", {{"class", "fault"}, {"role", "alert"}}, escaped(kWithheld + fault));
  if (!report.caution.empty())
    faults += element("p", {{"class", "fault"}, {"role", "note"}}, escaped(report.caution));
  for (const auto& [id, chapter, inner] : chapters_of(folder, report)) {
    links += str("<li>", element("a", {{"href", "#" + id}}, escaped(chapter)), "</li>");
    body += str("<section id=\"", id, "\"><h2>", escaped(chapter), "</h2>\n", inner, "</section>\n");
  }
  const auto& parts = assets();
  return str("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n",
             element("title", {}, escaped(title + " · Kablate")),
             "\n<meta http-equiv=\"Content-Security-Policy\" content=\"", kPolicy,
             "\">\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n",
             "<meta name=color-scheme content=\"light dark\">\n<style>", parts.plot_style, parts.style,
             "</style>\n</head>\n<body>\n", "<a class=skip href=\"#answer\">To the answer</a>\n<header><h1>",
             escaped(title), "</h1><p>", escaped(subtitle(report)), "</p>", faults,
             "<nav aria-label=Contents><ul>", links, "</ul></nav></header>\n<main>\n", body,
             "</main>\n<script>", parts.plot_script, "</script>\n<script>", parts.script,
             "</script>\n</body>\n</html>\n");
}

}  // namespace kablate
