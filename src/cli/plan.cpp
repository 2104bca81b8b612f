#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/outlook.h"
#include "record/writer.h"
#include "report/render.h"

namespace kablate {
namespace {

struct PlanCommand {
  PlanOptions options;
  bool json = false, measure = false, no_measure = false;
};

const char* action_name(TrialDecision::Action action) {
  constexpr const char* kNames[] = {"skip", "run", "blocked"};
  return kNames[static_cast<int>(action)];
}

Json match_json(const std::optional<Match>& match) {
  if (!match) return nullptr;
  Json json{{"MLP_EXPANSION", match->mlp_expansion},
            {"mlp_width", match->width},
            {"target", match->target},
            {"reached", match->reached},
            {"deviation_percent", 100 * match->deviation()}};
  if (match->layers > 0) json["GPT2_N_LAYER"] = match->layers;
  return json;
}

Json outlook_json(const Outlook& outlook) {
  Json json = to_json(outlook.record);
  for (std::size_t i = 0; i < outlook.plan.steps.size(); ++i) {
    const auto seconds = expected_seconds(outlook, i);
    auto& step = json["steps"][i];
    step["expected_seconds_per_trial"] = seconds ? Json(*seconds) : Json("unknown");
    step["peak_tensor_bytes"] = outlook.record.steps[i].peak_tensor_bytes_expected;
    step["role"] = outlook.record.steps[i].role(outlook.record.baseline);
    step["match"] = match_json(outlook.plan.steps[i].match);
  }
  auto notes = outlook.plan.notes;
  for (const auto& note : terms_notes(outlook.plan)) notes.push_back(note);
  json["notes"] = notes;
  json.update(to_json(outlook.sensitivity));
  if (outlook.decisions.empty())  // no keys, no folders
    for (auto& trial : json["trials"]) trial.erase("folder");
  for (std::size_t t = 0; t < outlook.decisions.size(); ++t) {
    json["trials"][t]["action"] = action_name(outlook.decisions[t].action);
    json["trials"][t]["reason"] = outlook.decisions[t].reason;
  }
  const auto total = expected_total(outlook);
  json["expected_seconds"] = total ? Json(*total) : Json("unknown");
  if (!outlook.undecided.empty()) json["undecided"] = outlook.undecided;
  return json;
}

// With a column behind the parameters where some step has fewer of this kind.
void add_parameters(const Outlook& outlook, const std::string& heading,
                    std::int64_t (*count)(const PlannedStep& step), TextTable& table) {
  constexpr std::ptrdiff_t kBehindParameters = 4;
  const auto& steps = outlook.record.steps;
  if (std::all_of(steps.begin(), steps.end(),
                  [&](const auto& step) { return count(step) == step.parameters; }))
    return;
  table.headings.insert(table.headings.begin() + kBehindParameters, heading);
  table.right.insert(table.right.begin() + kBehindParameters, true);
  for (std::size_t i = 0; i < steps.size(); ++i)
    table.rows[i].insert(table.rows[i].begin() + kBehindParameters, grouped(count(steps[i])));
}

std::string steps_table(const Outlook& outlook, std::size_t width) {
  TextTable table;
  table.headings = {"step",   "name",        "role",        "parameters", "GFLOP/iter",
                    "memory", "cache/token", "cache fixed", "a trial"};
  table.right = {false, false, false, true, true, true, true, true, true};
  for (std::size_t i = 0; i < outlook.record.steps.size(); ++i) {
    const auto& step = outlook.record.steps[i];
    const auto seconds = expected_seconds(outlook, i);
    table.rows.push_back({std::to_string(step.number), step.name, step.role(outlook.record.baseline),
                          grouped(step.parameters), fixed(step.flops_per_iteration / 1e9, 2),
                          human_bytes(static_cast<double>(step.peak_tensor_bytes_expected)),
                          human_bytes(static_cast<double>(step.decode_cache_bytes_per_token)),
                          human_bytes(static_cast<double>(step.decode_cache_bytes_fixed)),
                          seconds ? human_duration(*seconds) : "unknown"});
  }
  add_parameters(
      outlook, "not 0",
      [](const PlannedStep& step) { return step.nonzero_parameters.value_or(step.parameters); }, table);
  add_parameters(
      outlook, "active", [](const PlannedStep& step) { return step.active_parameters; }, table);
  return aligned(table, width);
}

std::string parts_table(const Outlook& outlook, std::size_t width) {
  TextTable table;
  table.headings = {"parameters by part"};
  table.right = {false};
  for (const auto& step : outlook.record.steps) {
    table.headings.push_back(str("step ", step.number));
    table.right.push_back(true);
  }
  for (const auto& [part, count] : outlook.record.steps.front().parameters_by_part) {
    std::vector<std::string> row{part};
    for (const auto& step : outlook.record.steps) row.push_back(grouped(step.parameters_by_part.at(part)));
    table.rows.push_back(row);
  }
  return aligned(table, width);
}

// What each matched control was solved to, what is noted of steps, and who stands on other terms than the
// baseline.
std::string notes_text(const Plan& plan, std::size_t width) {
  std::string text;
  for (const auto& step : plan.steps) {
    if (!step.match) continue;
    const auto& match = *step.match;
    const bool parameters = step.control != Control::kFlops;
    const std::string depth = match.layers > 0 ? str("GPT2_N_LAYER = ", match.layers, ", ") : "";
    const auto whose = step.control == Control::kWider ? plan.baseline : *step.control_of;
    text += wrapped(str("step ", step.number, ": ", depth, "MLP_EXPANSION = ", match.mlp_expansion,
                        " (width ", match.width, "), ",
                        parameters ? grouped(static_cast<std::int64_t>(match.reached)) + " parameters"
                                   : fixed(match.reached / 1e9, 4) + " GFLOP/iter",
                        ", ", match.deviation() < 0 ? "" : "+", fixed(100 * match.deviation(), 3),
                        " % of step ", whose, "'s"),
                    width);
  }
  for (const auto& note : plan.notes) text += wrapped(note, width);
  for (const auto& note : terms_notes(plan)) text += wrapped(note, width);
  return text.empty() ? text : text + "\n";
}

// What is said of every step is said once, and of some steps beside that.
std::string unused_text(const PlanRecord& record, std::size_t width) {
  std::map<std::string, std::size_t> counts;
  for (const auto& step : record.steps)
    for (const auto& symbol : step.unused_symbols) ++counts[symbol];
  const auto line = [&](const std::string& who, const PlannedStep& step, bool of_all) {
    std::vector<std::string> symbols;
    for (const auto& symbol : step.unused_symbols)
      if ((counts[symbol] == record.steps.size()) == of_all) symbols.push_back(symbol);
    return symbols.empty() ? "" : wrapped(str(who, " reads nothing of: ", join(symbols, " ")), width);
  };
  if (record.steps.size() == 1) return line(str("step ", record.steps[0].number), record.steps[0], true);
  std::string text = line("no step", record.steps.front(), true);
  if (!text.empty()) text.replace(0, std::string("no step reads nothing of").size(), "no step reads");
  for (const auto& step : record.steps) text += line(str("step ", step.number), step, false);
  return text;
}

// Trials of which the same is to be said stand on one line: "run step 2 gate, seeds 1-8: reason".
std::string decisions_text(const Outlook& outlook, std::size_t width) {
  std::string text;
  for (const auto& step : outlook.plan.steps) {
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> groups;
    for (std::size_t t = 0; t < outlook.decisions.size(); ++t) {
      if (outlook.plan.trials[t].step != step.number) continue;
      const auto& [action, reason, failed] = outlook.decisions[t];
      const bool diverged = action == TrialDecision::Action::kDiverged;
      const auto what = str(action_name(action), "\n", reason, diverged ? str("; ", kIfDiverged) : "");
      const auto known =
          std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == what; });
      if (known == groups.end())
        groups.push_back({what, {outlook.plan.trials[t].seed}});
      else
        known->second.push_back(outlook.plan.trials[t].seed);
    }
    for (const auto& [what, seeds] : groups) {
      const auto end = what.find('\n');
      std::string action = what.substr(0, end);
      const auto reason = what.substr(end + 1);
      action.resize(7, ' ');
      text += action + " " +
              wrapped(str("step ", step.number, " ", step.name, seeds.size() == 1 ? ", seed " : ", seeds ",
                          list_text(seeds), reason.empty() ? "" : ": " + reason),
                      width - action.size() - 1);
    }
  }
  return text;
}

std::string time_text(const Outlook& outlook) {
  const auto total = expected_total(outlook);
  if (!total) return "expected time: unknown; `kablate plan --measure` times a few iterations of each step";
  return str("expected time: ", human_duration(*total), " (", outlook.parallel, " at once", ")",
             outlook.measured ? ", by ten iterations timed now" : "");
}

std::string outlook_text(const Outlook& outlook, std::size_t width) {
  std::string text =
      str("plan ", outlook.plan.name, ": ", outlook.plan.steps.size(), " steps x ", outlook.plan.seeds.size(),
          " seeds\n\n", steps_table(outlook, width), "\n", notes_text(outlook.plan, width),
          parts_table(outlook, width), "\n", sensitivity_text(outlook.sensitivity, width), "\n");
  for (const auto& step : outlook.record.steps)
    if (!step.blocked.empty())
      text += wrapped(str("step ", step.number, " is blocked: ", step.blocked), width);
  text += unused_text(outlook.record, width) + "\n";
  if (!outlook.undecided.empty()) text += wrapped(outlook.undecided, width);
  return text + decisions_text(outlook, width) + "\n" + wrapped(time_text(outlook), width);
}

int plan(const PlanCommand& command) {
  const Settings settings = command.options.settings();
  auto timing = Timing::kIfQuick;
  if (command.measure) timing = Timing::kAlways;
  if (command.no_measure) timing = Timing::kNever;
  const auto outlook = make_outlook(settings, command.options.experiment(settings), timing);
  std::printf(
      "%s",
      (command.json ? json_text(outlook_json(outlook)) : outlook_text(outlook, output_width())).c_str());
  return kExitDone;
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<PlanCommand>();
  auto* parser = app.add_subcommand("plan", "Say what a run would do and what it costs; trains nothing");
  command->options.add_to(*parser);
  command->options.add_init_from(*parser);
  parser->add_flag("--json", command->json, "As JSON");
  auto* always = parser->add_flag("--measure", command->measure,
                                  "Time 10 iterations of each step, however long they take; without it where "
                                  "they take less than 10 s in all");
  parser->add_flag("--no-measure", command->no_measure, "Time none")->excludes(always);
  parser->callback([command, &action] { action = [command] { return plan(*command); }; });
}

}  // namespace kablate
