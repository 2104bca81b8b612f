#include "analyse/knockout.h"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "data/dataset.h"
#include "interchange/weights.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "model/stored_parameters.h"
#include "plan/key.h"
#include "record/done.h"
#include "record/knockout_record.h"
#include "report/noise_floor.h"
#include "report/render.h"
#include "runner/stored_trial.h"
#include "stats/verdict.h"

namespace kablate {
namespace {

struct KnockoutCommand {
  std::string run, scales = "0,0.5,1,2", data_path;
  bool json = false;
};

std::vector<double> parse_scales(const std::string& text) {
  std::vector<double> scales;
  for (const auto& word : split(text, ',')) {
    const auto scale = parse_real(word);
    if (!scale || *scale < 0)
      throw UserError(str("--scales = ", text, ": \"", word,
                          "\": allowed: numbers >= 0 separated by commas, such as 0,2"));
    scales.push_back(*scale);
  }
  return scales;
}

ParameterSet load_parameters(const StoredTrial& trial, const Config& config, c10::Device device) {
  return read_parameters(config, trial.folder.weights(), device);
}

// Why the weights do not give the loss that the trial ended with.
std::string cause(const StoredTrial& trial, const Program& program) {
  const auto differences = key_differences(trial.key_text, KeysHere(program).text(trial));
  if (differences.empty())
    return "another CPU, other variables of its libraries or damaged weights; `kablate verify` tells which";
  return "what the trial was made by differs: " + join(differences, ", ");
}

// The sd between seeds that `make noise` measured for the experiment of this trial, if it has.
struct Noise {
  std::optional<NoiseFloor> floor;
  std::string problem;  // why what was measured is not used

  std::optional<double> sd() const { return floor ? std::optional(floor->sd) : std::nullopt; }
};

Noise noise_beside(const StoredTrial& trial) {
  Noise noise;
  noise.floor = noise_of_trial(trial.folder, noise.problem);
  return noise;
}

std::string chance_text(const Noise& noise) {
  if (!noise.problem.empty()) return str("The noise floor is not used: ", noise.problem);
  if (!noise.floor) return "How much the loss differs between seeds `make noise` measures.";
  return str("The baseline's loss has sd ", fixed(noise.floor->sd, 4), " between ", noise.floor->seeds.size(),
             " seeds (noise.json).");
}

Json study_json(const KnockoutStudy& study, const Noise& noise) {
  Json rows = Json::array();
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  for (const auto& row : study.rows) {
    Json json{{"mechanism", row.mechanism},
              {"scale", row.scale},
              {"val_loss", row.val_loss},
              {"change", row.change.mean},
              {"change_sd", number(row.change.sd)},
              {"change_ci_low", row.range ? Json(row.range->low) : Json()},
              {"change_ci_high", row.range ? Json(row.range->high) : Json()},
              {"p", number(row.change.p)},
              {"p_holm", row.holm ? Json(row.holm->adjusted_p) : Json()},
              {"holm_level", row.holm ? Json(row.holm->level) : Json()}};
    if (row.scale == 0) json["verdict"] = knockout_verdict(row, study.val_loss, noise.sd());
    rows.push_back(std::move(json));
  }
  return {{"val_loss", study.val_loss},
          {"windows", study.windows},
          {"noise_sd", number(noise.sd())},
          {"noise_problem", noise.problem.empty() ? Json() : Json(noise.problem)},
          {"rows", rows}};
}

KnockoutRecord record_of(const KnockoutStudy& study, const std::string& weights_sha256) {
  KnockoutRecord record{study.val_loss, static_cast<std::int64_t>(study.windows), {}, weights_sha256};
  for (const auto& row : study.rows)
    record.rows.push_back({row.mechanism, row.scale, row.val_loss, row.change.mean,
                           row.range ? std::optional(row.range->low) : std::nullopt,
                           row.range ? std::optional(row.range->high) : std::nullopt});
  return record;
}

// The report shows it from then on; of a folder that can't be written to, it is printed alone.
void store(const KnockoutStudy& study, const StoredTrial& trial) {
  if (const auto reason = why_read_only(trial.folder.path()); !reason.empty())
    log_warning(str(trial.folder.path().string(), ": ", reason, ": knockout.json is not written"));
  else
    write_knockout(trial.folder, record_of(study, trial.summary.weights_sha256));
}

void print_study(const KnockoutStudy& study, const StoredTrial& trial, const Noise& noise) {
  const auto width = output_width();
  std::printf("%s\n",
              wrapped(str(trial.label(), ", ", study.windows,
                          " validation windows, validation loss as trained ", fixed(study.val_loss, 4)),
                      width)
                  .c_str());
  TextTable table{{"mechanism", "scale", "val loss", "change", "interval over windows", "p Holm"},
                  {false, true, true, true, false, true},
                  {}};
  for (const auto& row : study.rows)
    table.rows.push_back({row.mechanism, shortest(row.scale), fixed(row.val_loss, 4),
                          signed_fixed(row.change.mean, 4), row.range ? interval_text(*row.range) : "",
                          row.holm ? p_text(row.holm->adjusted_p) : ""});
  std::string text = aligned(table, width) + "\n";
  for (const auto& row : study.rows)
    if (row.scale == 0) text += wrapped(knockout_verdict(row, study.val_loss, noise.sd()), width);
  text += "\n" + wrapped(str("Intervals and p are adjusted for the ", study.rows.size(),
                             " rows together (Holm, ", shortest(kAlpha),
                             "). They are over the windows of one trained model; how another "
                             "seed would come out they don't say."),
                         width);
  text += wrapped(chance_text(noise), width);
  std::printf("%s", text.c_str());
}

int knock_out_trial(const KnockoutCommand& command) {
  const auto scales = parse_scales(command.scales);
  const Program program{data_folder(), source_folder(), this_build(), command.data_path};
  const StoredTrial trial = read_stored_trial(existing_trial(command.run), program);
  if (knockout_mechanisms(trial.config).empty()) {
    if (command.json)
      std::printf("%s\n",
                  Json{{"val_loss", *trial.summary.val_loss}, {"rows", Json::array()}}.dump(2).c_str());
    else
      std::printf("%s has no mechanism: there is nothing to knock out\n", trial.label().c_str());
    return kExitDone;
  }
  catch_stop_signals();
  make_deterministic(trial.threads);
  check_file(trial.folder, trial.folder.weights());
  const Config config = config_of_weights(trial.config, trial.folder.weights());
  const c10::Device device = resolve_device(config.run.device);
  use_kernels(config.run.kernels, device);
  const auto data = KeysHere(program).data(trial);
  const auto study = knock_out(config, load_parameters(trial, config, device), *data, device, scales,
                               throw_if_stop_requested);
  if (study.val_loss != trial.summary.val_loss)
    throw WorkError(str(command.run, ": the trained model's validation loss is ", shortest(study.val_loss),
                        " here, summary.json says ", shortest(*trial.summary.val_loss), ": ",
                        cause(trial, program)));
  store(study, trial);
  const auto noise = noise_beside(trial);
  if (command.json)
    std::printf("%s\n", study_json(study, noise).dump(2).c_str());
  else
    print_study(study, trial, noise);
  return kExitDone;
}

}  // namespace

void add_knockout_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<KnockoutCommand>();
  auto* parser = app.add_subcommand(
      "knockout", "Switch each mechanism of a trained model off, or scale it: is it used at all?");
  parser->add_option("TRIAL_DIR", command->run, "A finished trial's folder")->required();
  parser->add_option("--scales", command->scales, "What to multiply a mechanism's weight by; 0 is off")
      ->capture_default_str()
      ->type_name("LIST")
      ->check(not_empty());
  parser->add_option("--data-path", command->data_path, "Where the data of DATA_PATH lie now")
      ->type_name("PATH")
      ->check(not_empty());
  parser->add_flag("--json", command->json, "Print JSON");
  parser->callback([command, &action] { action = [command] { return knock_out_trial(*command); }; });
}

}  // namespace kablate
