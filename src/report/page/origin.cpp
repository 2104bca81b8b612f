#include "report/page/origin.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "plan/key.h"
#include "record/environment.h"
#include "report/page/markup.h"
#include "report/table.h"

namespace kablate::page {
namespace {

constexpr std::size_t kLongestValue = 200, kMostValues = 4;

using Values = std::map<std::string, std::string>;

// Of the first seed of which both steps have begun a trial: what they were keyed with.
std::pair<Values, Values> keyed_values(const Report& report, std::int64_t own, std::int64_t other) {
  const auto key_of = [&](std::int64_t step, std::int64_t seed) {
    for (const auto& trial : report.trials)
      if (trial.planned.step == step && trial.planned.seed == seed) return std::string_view(trial.key_text);
    return std::string_view();
  };
  for (const auto seed : report.seeds)
    if (const auto a = key_of(own, seed), b = key_of(other, seed); !a.empty() && !b.empty())
      return {key_values(a), key_values(b)};
  return {};
}

void add_differences(const Report& report, const ReportRow& row, TextTable& table) {
  const auto reference = row.against.value_or(report.baseline);
  const auto [own, other] = keyed_values(report, row.step, reference);
  std::set<std::string> names;
  for (const auto* values : {&own, &other})
    for (const auto& [name, value] : *values) names.insert(name);
  for (const auto& name : names) {
    if (name == "step" || name == "rerun" || name == "seed") continue;
    const auto text = [&](const Values& values) {
      const auto found = values.find(name);
      return found == values.end() ? std::string("not read") : found->second;
    };
    if (const auto a = text(other), b = text(own); a != b)
      table.rows.push_back({std::to_string(row.step), row.name, std::to_string(reference), name,
                            shortened(a, kLongestValue), shortened(b, kLongestValue)});
  }
}

void flatten(const Json& json, const std::string& prefix,
             std::map<std::string, std::vector<std::string>>& all) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", all);
      continue;
    }
    const auto text = value.is_string() ? value.get<std::string>() : value.dump();
    auto& values = all[prefix + key];
    if (!text.empty() && std::ranges::find(values, text) == values.end()) values.push_back(text);
  }
}

// A file's text; "" where there is none.
std::string text_if_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? read_text(path) : "";
}

std::string copyable(const std::string& label, const std::string& text) {
  return str("<div class=copy>",
             element("button", {{"type", "button"}, {"aria-label", "copy: " + label}}, "copy"),
             element("pre", {{"tabindex", "0"}, {"role", "region"}, {"aria-label", label}}, escaped(text)),
             "</div>\n");
}

// Those of the finished trials, each that is another than those before it.
std::vector<Json> environments_of(const ExperimentFolder& folder, const Report& report) {
  std::vector<Json> environments;
  std::set<std::string> known;
  for (const auto& trial : report.trials) try {
      if (trial.state != TrialState::kDone || known.contains(trial.environment_sha256)) continue;
      environments.push_back(read_environment(folder.trial(trial.planned.folder)));
      known.insert(trial.environment_sha256);
    } catch (const std::exception&) {  // the table says what is damaged
    }
  return environments;
}

// {commit, the SHA-256 of what the sources differed by or ""} of the trials; several where they do.
std::set<std::pair<std::string, std::string>> commits_of(const std::vector<Json>& environments) {
  std::set<std::pair<std::string, std::string>> commits;
  for (const auto& environment : environments) try {
      const auto git = environment.value("git", Json::object());
      const auto changes = git.value("changes", Json::object());
      if (const auto commit = git.value("commit", ""); !commit.empty())
        commits.emplace(commit, git.value("dirty", false) ? changes.value("sha256", "unknown") : "");
    } catch (const Json::exception&) {  // another version's
    }
  return commits;
}

std::string checkout_text(const ExperimentFolder& folder, const Report& report) {
  const auto commits = commits_of(environments_of(folder, report));
  if (commits.empty()) return "# the commit that the trials were made by is not known\n";
  if (commits.size() > 1)
    return str("# the trials were made by ", commits.size(),
               " states of the sources; each trial's environment.json has its own\n");
  const auto& [commit, changes] = *commits.begin();
  return str("git checkout ", commit, "\n",
             changes.empty() ? ""
                             : str("git apply results/", experiment_name(report), "/",
                                   folder.changes(changes).filename().string(),
                                   "    # the sources differed; a patch of over 1 MiB is cut\n"));
}

// Whether make and a shell take the name as it stands.
bool is_plain(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '+';
  });
}

}  // namespace

std::string differences_markup(const Report& report) {
  TextTable table{
      {"step", "arm", "to step", "symbol", "there", "here"}, {true, false, true, false, false, false}, {}};
  for (const auto& row : report.rows)
    if (row.step != report.baseline && !row.rerun_of) add_differences(report, row, table);
  if (table.rows.empty()) return "";
  return str(
      "<p>What a trial of each step was trained with, where it differs from the step that it is "
      "compared with. ",
      "<q>not read</q>: under that configuration nothing reads the symbol.</p>",
      table_markup(table, "How each arm's configuration differs"));
}

std::string environment_markup(const ExperimentFolder& folder, const Report& report) {
  std::map<std::string, std::vector<std::string>> all;
  for (const auto& environment : environments_of(folder, report)) flatten(environment, "", all);
  TextTable table{{"what", "value"}, {false, false}, {}};
  for (const auto& [name, values] : all) {
    if (values.empty()) continue;
    const auto shown = std::vector(
        values.begin(), values.begin() + std::min<std::ptrdiff_t>(std::ssize(values), kMostValues));
    const auto rest = values.size() - shown.size();
    table.rows.push_back({name, shortened(join(shown, "; "), kMostValues * kLongestValue) +
                                    (rest > 0 ? str("; and ", rest, " more") : "")});
  }
  if (table.rows.empty()) return "";
  return table_markup(table, "Where the trials ran");
}

std::string commands_markup(const ExperimentFolder& folder, const Report& report) {
  const auto defconfig = text_if_there(folder.base_defconfig());
  if (defconfig.empty()) return "";
  std::vector<std::int64_t> steps;
  for (const auto& row : report.rows) steps.push_back(row.step);
  std::string list = list_text(steps), seeds = list_text(report.seeds);
  std::erase(list, ' '), std::erase(seeds, ' ');
  const auto name = experiment_name(report);
  const auto files = str(folded("defconfigs/" + name, copyable("Configuration", defconfig)),
                         folded("the plan: defconfigs/plans/, under the name that CONFIG_ABLATION_PLAN gives",
                                copyable("Plan", report.plan_text)));
  if (!is_plain(name))
    return "<p>The experiment's name has characters that <code>make</code> does not take; its files:</p>" +
           files;
  return str("<p>In a checkout of Kablate, with the two files below:</p>",
             copyable("Commands", str(checkout_text(folder, report), "make defconfig-", name,
                                      "\nmake STEPS=", list, " SEEDS=", seeds, "\n")),
             "<p>With the results' folder at hand: is it what it was, and does a trial come out the same "
             "again?</p>",
             copyable("Commands to verify", str("make verify RUN=results/", name, "\n")), files);
}

}  // namespace kablate::page
