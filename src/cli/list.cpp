#include <algorithm>
#include <chrono>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/table.h"
#include "report/table_difference.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// An experiment as its folder tells it. A problem stands for all that could not be read then.
struct Listed {
  std::string folder, plan, state, problem, touched;
  std::map<TrialState, std::int64_t> counts;
  std::int64_t planned = 0;
  std::vector<std::pair<std::string, std::string>>
      verdicts;  // arm, verdict: of report.csv, no look of its own
};

std::string text_of_time(fs::file_time_type time) {
  using std::chrono::system_clock;
  const auto since = std::chrono::file_clock::to_sys(time);
  return utc_text(system_clock::to_time_t(std::chrono::time_point_cast<system_clock::duration>(since)));
}

// When anything in the folder was last written: a folder's own time is that of the last file made there, a
// log's that of its last row.
std::string last_touched(const ExperimentFolder& folder) {
  fs::file_time_type last{fs::file_time_type::min()};
  const auto look = [&](const fs::path& path) {
    std::error_code fault;
    const auto time = fs::last_write_time(path, fault);
    if (!fault) last = std::max(last, time);
  };
  look(folder.path());
  std::error_code fault;
  for (fs::directory_iterator entry(folder.path(), fault), end; !fault && entry != end;
       entry.increment(fault))
    look(entry->path());
  for (const auto& name : folder.trial_folders())
    look(folder.trial(name).path()), look(folder.trial(name).metrics());
  return text_of_time(last);
}

// The table as it was last printed: to make a new one would be a look at it.
std::vector<std::pair<std::string, std::string>> verdicts_of(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!fs::is_regular_file(folder.report_csv(), ignored)) return {};
  const auto records = csv_records(read_text(folder.report_csv()));
  if (records.empty()) return {};
  const auto column = [&](const char* name) {
    const auto found = std::find(records[0].begin(), records[0].end(), name);
    return static_cast<std::size_t>(found - records[0].begin());
  };
  std::vector<std::pair<std::string, std::string>> verdicts;
  const auto step = column("step"), name = column("name"), verdict = column("verdict");
  for (std::size_t i = 1; i < records.size(); ++i)
    if (std::max({step, name, verdict}) < records[i].size() && !records[i][verdict].empty())
      verdicts.emplace_back(str(records[i][step], " ", records[i][name]), records[i][verdict]);
  return verdicts;
}

// "running (2), failed 1", "done", "interrupted"
std::string state_text(const Listed& listed) {
  const auto count = [&](TrialState state) {
    const auto found = listed.counts.find(state);
    return found == listed.counts.end() ? 0 : found->second;
  };
  using enum TrialState;
  const auto failed = count(kFailed), diverged = count(kDiverged), damaged = count(kDamaged);
  std::string text = count(kRunning) > 0                         ? str("running ", count(kRunning))
                     : count(kInterrupted) + count(kMissing) > 0 ? "interrupted"
                     : failed + diverged + damaged == 0          ? "done"
                                                                 : "";
  for (const auto state : {kFailed, kDiverged, kDamaged, kBlocked})
    if (count(state) > 0) text += str(text.empty() ? "" : ", ", state_name(state), " ", count(state));
  return text;
}

Listed look_at(const ExperimentFolder& folder) {
  Listed listed;
  listed.folder = folder.path().string();
  listed.touched = last_touched(folder);
  try {
    refuse_older_format(folder);
    const auto plan = read_plan(folder);
    listed.plan = plan.name, listed.planned = std::ssize(plan.trials);
    for (const auto state : trial_states(folder, plan)) ++listed.counts[state];
    listed.verdicts = verdicts_of(folder);
    listed.state = (plan.imported ? "imported, " : "") + state_text(listed);
  } catch (const UserError& fault) {
    listed.problem = fault.what();
  }
  return listed;
}

// Every folder there: one that is no experiment's is named as such.
std::vector<Listed> list(const fs::path& results) {
  std::error_code fault;
  std::vector<fs::path> folders;
  for (fs::directory_iterator entry(results, fault), end; !fault && entry != end; entry.increment(fault)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) folders.push_back(entry->path());
  }
  if (fault)
    throw UserError(str("--results = ", results.string(), ": can't be read (", fault.message(),
                        "); expected the folder that `kablate run` wrote to"));
  std::sort(folders.begin(), folders.end());
  std::vector<Listed> found;
  for (const auto& folder : folders) found.push_back(look_at(ExperimentFolder(folder)));
  return found;
}

Json listed_json(const Listed& listed) {
  Json json = {{"folder", listed.folder}, {"touched", listed.touched}, {"problem", listed.problem}};
  if (!listed.problem.empty()) return json;
  json["plan"] = listed.plan, json["planned"] = listed.planned, json["state"] = listed.state;
  json["trials"] = Json::object();
  for (const auto& [state, count] : listed.counts) json["trials"][state_name(state)] = count;
  json["verdicts"] = Json::array();
  for (const auto& [arm, verdict] : listed.verdicts)
    json["verdicts"].push_back({{"arm", arm}, {"verdict", verdict}});
  return json;
}

std::string verdicts_text(const Listed& listed) {
  std::vector<std::string> texts;
  for (const auto& [arm, verdict] : listed.verdicts) texts.push_back(str(arm, ": ", verdict));
  return join(texts, "; ");
}

std::string listed_text(const std::vector<Listed>& found, std::size_t width) {
  TextTable table{{"experiment", "plan", "done", "state", "touched", "verdicts, as last reported"},
                  {false, false, true, false, false, false},
                  {}};
  std::string below;
  for (const auto& listed : found) {
    const auto name = fs::path(listed.folder).filename().string();
    if (!listed.problem.empty()) {
      below += wrapped(str(name, ": ", listed.problem), width);
      table.rows.push_back({name, "", "", "not readable", listed.touched, ""});
      continue;
    }
    const auto done = listed.counts.find(TrialState::kDone);
    table.rows.push_back({name, listed.plan,
                          str(done == listed.counts.end() ? 0 : done->second, "/", listed.planned),
                          listed.state, listed.touched, verdicts_text(listed)});
  }
  return aligned(table, width) + (below.empty() ? "" : "\n" + below);
}

}  // namespace

void add_list_command(CLI::App& app, Action& action) {
  struct Options {
    std::string results = "results";
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("list", "Every experiment in the folder of the results: how far it is");
  command->add_option("--results", options->results, "Folder of the results")
      ->capture_default_str()
      ->type_name("DIR")
      ->check(not_empty());
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &action] {
    action = [options] {
      const auto found = list(options->results);
      if (options->json) {
        Json json = Json::array();
        for (const auto& listed : found) json.push_back(listed_json(listed));
        std::printf("%s", json_text(json).c_str());
      } else if (found.empty()) {
        std::printf("%s: no experiments yet\n", options->results.c_str());
      } else {
        std::printf("%s%s\n", listed_text(found, output_width()).c_str(), options->results.c_str());
      }
      return kExitDone;
    };
  });
}

}  // namespace kablate
