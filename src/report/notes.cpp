// What a reader must know to judge the table, a sentence or two a matter.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/text.h"
#include "plan/key.h"
#include "record/looks.h"
#include "report/pairing.h"
#include "report/parts.h"
#include "report/table.h"
#include "stats/power.h"

namespace kablate {
namespace {

using Notes = std::vector<std::string>;

constexpr double kTwoSided95 = 1.96;  // normal deviates

std::string arms_text(std::size_t family) { return str(family, family == 1 ? " arm" : " arms"); }

constexpr std::size_t kMostSaid = 16;  // steps of which the same is said one by one

std::vector<std::int64_t> steps_where(const Report& report,
                                      const std::function<bool(const ReportRow&)>& holds) {
  std::vector<std::int64_t> steps;
  for (const auto& row : report.rows)
    if (holds(row)) steps.push_back(row.step);
  return steps;
}

// The most pairs that an arm of the family has; 0 without a difference.
std::size_t most_pairs(const Report& report) {
  std::size_t pairs = 0;
  for (const auto& row : report.rows)
    if (row.role == "arm" && row.delta) pairs = std::max(pairs, row.delta->n);
  return pairs;
}

// What is to be said of some steps: of a few to each, of many to all at once.
void add_row_notes(const Report& report, Notes& notes) {
  const auto unhelped = steps_where(
      report, [](const auto& r) { return r.delta && r.delta->correlation && *r.delta->correlation <= 0; });
  const auto sampled = steps_where(report, [](const auto& r) { return r.sign_flip && !r.sign_flip->exact; });
  const auto drawn = [](std::int64_t draws) {
    return str(": the sign-flip p is from ", grouped(draws), " keyed draws; to ", kMostEnumerated,
               " pairs every assignment is counted.");
  };
  for (const auto& row : report.rows) {
    if (row.delta && row.delta->correlation && *row.delta->correlation <= 0 && unhelped.size() <= kMostSaid)
      notes.push_back(str("Step ", row.step, ": the losses of its pairs have correlation ρ = ",
                          fixed(*row.delta->correlation, 2), ": pairing by seed did not help."));
    if (row.sign_flip && !row.sign_flip->exact && sampled.size() <= kMostSaid)
      notes.push_back(str("Step ", row.step, drawn(row.sign_flip->assignments)));
  }
  if (unhelped.size() > kMostSaid)
    notes.push_back(str("Steps ", list_text(unhelped),
                        ": the losses of their pairs have no positive correlation ρ: pairing by seed did not "
                        "help."));
  if (sampled.size() > kMostSaid) notes.push_back(str("Steps ", list_text(sampled), drawn(kSignFlipDraws)));
}

// Verdicts that little would turn over: half to twice the level.
void add_threshold_note(const Report& report, Notes& notes) {
  const auto steps = steps_where(report, [](const auto& row) {
    if (row.role != "arm" || !row.verdict || !row.verdict->holm) return false;
    const bool enough = row.verdict->kind != VerdictKind::kNotEnoughSeeds;
    const double p = row.verdict->holm->adjusted_p;
    return enough && p >= kAlpha / 2 && p <= 2 * kAlpha;
  });
  if (!steps.empty())
    notes.push_back(
        str(steps.size() == 1 ? "Step " : "Steps ", list_text(steps),
            ": p Holm lies near alpha, on whichever side: other seeds, or a processor that rounds "
            "otherwise, may decide the other way. Take it as open until more seeds settle it."));
}

void add_test_notes(const Report& report, std::size_t family, Notes& notes) {
  const auto pairs = most_pairs(report);
  if (pairs == 0) return;
  const bool unpaired = std::any_of(report.rows.begin(), report.rows.end(),
                                    [](const auto& row) { return row.delta && !row.delta->paired; });
  notes.push_back(str("A verdict comes from the paired t test", unpaired ? " (unpaired: Welch's)" : "",
                      " at Holm's level in the family of the plan's ", arms_text(family), " (alpha ",
                      shortest(kAlpha), "; neither controls nor reruns); ", pairs_to_claim(family),
                      " seeds or more can claim. p Holm is adjusted for the family."));
  const double level = kAlpha / static_cast<double>(family), least = least_sign_flip_p(pairs);
  if (least > level)
    notes.push_back(str("The sign-flip test can't reach Holm's first level of ", p_text(level), " with ",
                        pairs, pairs == 1 ? " pair" : " pairs", ": its p is ", p_text(least),
                        " at the least, whatever the differences."));
  add_row_notes(report, notes);
  add_threshold_note(report, notes);
}

void add_curve_note(const Report& report, Notes& notes) {
  if (std::any_of(report.rows.begin(), report.rows.end(),
                  [](const auto& row) { return row.worth || row.equal_flops || row.equal_time; }))
    notes.push_back(
        "What a difference is worth, and the differences at equal FLOPs and time, are read from the "
        "validation curves between evaluations. Where the learning rate decays, a loss in the middle of a "
        "run is not the final loss of a shorter run: it is too high, so what is read early looks worse than "
        "it would be.");
}

// A verdict on a change that unpaired seeds could bring about by chance.
void add_verdict_notes(const Report& report, Notes& notes) {
  for (const auto& row : report.rows) {
    if (!row.verdict || !row.verdict->holm || !row.verdict->holm->rejected || !row.delta->paired) continue;
    const double n = static_cast<double>(row.delta->n);
    const double chance = kTwoSided95 * report.noise->difference_sd() / std::sqrt(n);
    if (std::abs(row.delta->mean) < chance)
      notes.push_back(str("Step ", row.step, ": the means of ", row.delta->n,
                          " unpaired seeds of the baseline differ by up to ± ", fixed(chance, 4),
                          " (95 %, noise floor), more than this change: its verdict rests on how alike the "
                          "pairs are."));
  }
}

void add_noise_note(const ExperimentFolder& folder, const Report& report, std::size_t family, Notes& notes) {
  if (!report.noise) {
    std::error_code ignored;
    if (std::filesystem::exists(folder.noise(), ignored))
      notes.push_back("noise.json is damaged or of another baseline than this one: it is not used.");
    return;
  }
  const auto& noise = *report.noise;
  std::string note =
      str("Noise floor: the baseline's loss has sd ", fixed(noise.sd, 5), " over ", noise.seeds.size(),
          " fresh seeds (95 % interval ", fixed(noise.sd_low, 5), " to ", fixed(noise.sd_high, 5),
          "); the baseline against itself was rejected in ", noise.rejected, " of ", noise.comparisons,
          " comparisons at p < ", shortest(kAlpha), ".");
  if (const auto planned = report.seeds.size(); planned >= 2 && family > 0) {
    const double d = smallest_effect(planned, kAlpha / static_cast<double>(family));
    note += str(" Without any gain from pairing, ", planned, " seeds find a difference of ",
                fixed(d * noise.difference_sd(), 4), " nats in 80 of 100 cases (d = ", fixed(d, 2), ").");
  }
  notes.push_back(note);
  add_verdict_notes(report, notes);
}

// Rows that were not trained on the terms of what they are compared with, one line each.
void add_terms_notes(const Report& report, Notes& notes) {
  for (const auto& row : report.rows) {
    if (!row.delta || row.terms.empty()) continue;
    const std::string whose = row.against ? str("step ", *row.against, "'s") : "the baseline's";
    notes.push_back(
        str("Step ", row.step, " (", row.name, ") was not trained on ", whose, " terms: ", row.terms,
            row.delta->paired ? str(". The plan asks about that, and the samples are ", whose,
                                    ": its difference is paired by seed.")
                              : str(". Its trials and ", whose,
                                    " are no pairs: its interval, p and verdict are those of two unpaired "
                                    "samples (Welch).")));
  }
}

std::string seeds_text(const std::vector<std::int64_t>& seeds) {
  return str(seeds.size() == 1 ? "seed " : "seeds ", list_text(seeds));
}

void add_look_notes(const ExperimentFolder& folder, const ExperimentRecord& experiment, Notes& notes) {
  const auto looks = earlier_looks(read_looks(folder, &notes), experiment.trials,
                                   experiment.plan.imported ? SameTrial::kArmAndSeed : SameTrial::kFolder);
  bool added = false;
  for (const auto& look : looks) {
    if (!look.unplanned.empty()) {
      std::string text = seeds_text(look.unplanned);
      text.front() = 'S';
      notes.push_back(str(text, look.unplanned.size() == 1 ? " was" : " were", " added after a look at ",
                          seeds_text(look.seeds), "."));
      added = true;
    } else {
      notes.push_back(str("There was a look at ", seeds_text(look.seeds), " before ", seeds_text(look.since),
                          ", planned by then, had finished."));
    }
  }
  if (added)
    notes.push_back(
        "To look and then add seeds makes a chance finding likelier than alpha says: the verdicts above "
        "do not correct for it. looks.jsonl has every look.");
}

void add_load_notes(const Report& report, Notes& notes) {
  const auto loaded = steps_where(report, [](const auto& r) { return !r.time_load.empty(); });
  const auto spread = steps_where(report, [](const auto& r) { return !r.time_hosts.empty(); });
  for (const auto& row : report.rows) {
    if (!row.time_hosts.empty() && spread.size() <= kMostSaid)
      notes.push_back(str("* Step ", row.step, " (", row.name, ") was timed on several machines, ",
                          join(split(row.time_hosts, ' '), ", "),
                          ": its times are means over them. Differences at equal time are not given where a "
                          "pair ran on two."));
    if (!row.time_load.empty() && loaded.size() <= kMostSaid)
      notes.push_back(
          str("* Step ", row.step, " (", row.name, ") was timed under other load: ", row.time_load, "."));
  }
  if (spread.size() > kMostSaid)
    notes.push_back(str("* Steps ", list_text(spread),
                        " were timed on several machines: their times are means over them. Differences at "
                        "equal time are not given where a pair ran on two."));
  if (loaded.size() > kMostSaid)
    notes.push_back(str("* Steps ", list_text(loaded),
                        " were timed under other load: `cpu_share` in report.csv "
                        "has the least part of the time that a trial of each had its core."));
  if (!loaded.empty())
    notes.push_back(str("A trial that had its core for less than ", fixed(100 * kFreeShare, 0),
                        " % of its updates took longer than its arm takes: differences at equal time are not "
                        "given where one of both sides has such a trial."));
}

void add_peak_note(const Report& report, Notes& notes) {
  const bool used =
      std::any_of(report.rows.begin(), report.rows.end(), [](const auto& row) { return row.mfu; });
  if (!used) return;
  std::vector<std::string> texts;
  for (const auto& peak : report.peaks)
    texts.push_back(str(fixed(peak.flops_per_second / 1e9, 1), " GFLOP/s (", peak.dtype, ", ", peak.threads,
                        peak.threads == 1 ? " thread, " : " threads, ", peak.host, ")"));
  notes.push_back(
      texts.empty() ? "MFU: each trial measured what it is against by itself, beside others: do not compare."
                    : str("MFU is against a large matrix product, measured alone before the trials: ",
                          join(texts, "; "), "."));
}

// Of what is compared beside the loss.
void add_accuracy_note(const Report& report, std::size_t family, Notes& notes) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < measures().size(); ++i)
    if (measures()[i].compared && report.has(i)) names.push_back(measures()[i].heading);
  if (names.empty() || family == 0) return;
  notes.push_back(
      str("Changes of ", join(names, " and "),
          " are judged as those of the loss are, more being better, each in a family of its own of ",
          arms_text(family), "."));
}

}  // namespace

std::vector<std::string> plan_notes(const ExperimentRecord& experiment) {
  Notes notes;
  const auto& plan = experiment.plan;
  if (plan.find_step(plan.baseline) == nullptr)
    notes.push_back(str("The plan's baseline, step ", plan.baseline,
                        ", is not among the selected steps: there is no difference to it."));
  for (const auto& step : plan.steps)
    if (step.after && plan.find_step(*step.after) == nullptr)
      notes.push_back(str("Step ", step.number, " is compared with step ", *step.after,
                          ", which is not among the selected steps: it has no difference and no verdict."));
  for (const auto& step : plan.steps)
    if (step.noncausal)
      notes.push_back(
          str("Step ", step.number, " (", step.name,
              ") is NOT CAUSAL: RA_MLA_MLP_GATE_POOL = sequence lets a token see its future, and "
              "RA_MLA_ALLOW_NONCAUSAL = y let it be trained. Its loss says nothing about a language model."));
  const auto finished = std::find_if(experiment.trials.begin(), experiment.trials.end(),
                                     [](const TrialRecord& trial) { return !trial.key_text.empty(); });
  if (finished != experiment.trials.end()) {
    auto values = key_values(finished->key_text);  // all steps of a table measure one loss
    if (values["OBJECTIVE"] == "masked_token")
      notes.push_back(str("The loss is of masked tokens alone (MASK_SCHEDULE = ", values["MASK_SCHEDULE"],
                          values.contains("MASK_RATE") ? ", MASK_RATE = " + values["MASK_RATE"] : "",
                          "): not to be compared with one of next tokens, or of another share."));
  }
  if (finished != experiment.trials.end())
    if (auto values = key_values(finished->key_text); values.contains("SYNTHETIC_VOCAB_SIZE"))
      notes.push_back(
          str("The loss is of labelled positions alone (DATASET = ", values["DATASET"],
              "), in nats a label; accuracy is the share of labels that are the likeliest id, macro "
              "accuracy the mean over ids."));
  notes.insert(notes.end(), plan.notes.begin(), plan.notes.end());
  const auto seeds = plan.seeds.size(), needed = pairs_to_claim(plan.family());
  std::string note = str(seeds, seeds == 1 ? " seed" : " seeds",
                         " planned; ± is the standard deviation over "
                         "seeds, a difference is paired by seed, its interval is Student's t at 95 %.");
  if (seeds == 1) note += " One seed shows no spread: it says nothing about a difference.";
  if (seeds > 1 && seeds < needed) note += str(" So few seeds screen; claim with ", needed, " or more.");
  notes.push_back(note);
  return notes;
}

std::vector<std::string> statistics_notes(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                                          const Report& report) {
  Notes notes;
  const auto family = experiment.plan.family();
  add_terms_notes(report, notes);
  add_test_notes(report, family, notes);
  add_accuracy_note(report, family, notes);
  add_look_notes(folder, experiment, notes);
  add_noise_note(folder, report, family, notes);
  add_curve_note(report, notes);
  return notes;
}

std::vector<std::string> run_notes(const ExperimentRecord& experiment, const Report& report) {
  Notes notes;
  std::set<std::string> threads, devices;
  std::optional<std::int64_t> beside;
  for (const auto& row : report.rows) {
    if (!row.threads.empty()) threads.insert(row.threads);
    if (!row.device.empty()) devices.insert(row.device + " " + row.dtype);
    beside = std::max(beside, row.beside);
  }
  const auto listed = [](const std::set<std::string>& texts) {
    return join(std::vector<std::string>(texts.begin(), texts.end()), " and ");
  };
  if (!threads.empty())
    notes.push_back(str("A trial ran on ", listed(threads), " thread(s), ", listed(devices), ", with up to ",
                        beside.value_or(0), " other trial(s) beside it; times depend on that."));
  add_load_notes(report, notes);
  add_peak_note(report, notes);
  if (!experiment.others.empty())
    notes.push_back(str(experiment.others.size(),
                        " other trial folder(s) lie in trials/, of earlier configurations, "
                        "steps or seeds; they are not in this table."));
  notes.insert(notes.end(), experiment.problems.begin(), experiment.problems.end());
  return notes;
}

}  // namespace kablate
