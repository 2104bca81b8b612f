// Verdicts, effects, noise and looks, in reports on experiments made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "plan/key.h"
#include "record/gate_check.h"
#include "record/looks.h"
#include "report/noise_floor.h"
#include "report/render.h"
#include "stats/power.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::ladder;
using testing_support::rows_of;
using testing_support::seeds;

// Losses of seed `seed` that move with the seed, and a little by themselves.
double baseline_loss(std::int64_t seed) { return 3 + 0.01 * static_cast<double>(seed); }
double jitter(std::int64_t seed) { return 0.001 * static_cast<double>(seed * seed % 5); }

// The baseline and arms that are `shifts` away from it.
struct Shifted : Experiment {
  Shifted(const std::vector<double>& shifts, std::int64_t count, std::int64_t reruns = 0)
      : Experiment(ladder(static_cast<std::int64_t>(shifts.size()) + 1 + reruns, seeds(count), reruns)) {
    for (const auto seed : plan.seeds) {
      done(0, seed, baseline_loss(seed));
      for (std::size_t i = 0; i < shifts.size(); ++i)
        done(static_cast<std::int64_t>(i) + 1, seed, baseline_loss(seed) + shifts[i] + jitter(seed));
    }
  }
};

TEST(ReportVerdict, SpeaksOfArmsAlone) {
  auto plan = ladder(6, seeds(8), 1);  // step 5 reruns step 3
  plan.steps[4].control = "parameters", plan.steps[4].control_of = 2;
  Experiment e(plan);
  for (const auto seed : plan.seeds) {
    e.done(0, seed, baseline_loss(seed));
    for (const std::int64_t step : {1, 2, 3, 4, 5})
      e.done(step, seed, baseline_loss(seed) + (step == 1 ? 0.2 : -0.1) + jitter(seed));
  }
  const auto rows = e.report().rows;
  const char* roles[] = {"baseline", "arm", "arm", "arm", "control of 2", "rerun of 3"};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(rows[i].role, roles[i]);
  EXPECT_EQ(rows[1].verdict->text, "worse");
  EXPECT_EQ(rows[2].verdict->text, "better");
  EXPECT_FALSE(rows[0].verdict || rows[4].verdict || rows[5].verdict);
  EXPECT_TRUE(rows[4].delta && rows[4].delta->interval) << "a control has a difference all the same";
  EXPECT_DOUBLE_EQ(rows[1].verdict->holm->level, 0.05 / 3) << "three arms, whatever else is planned";
}

TEST(ReportVerdict, CountsTheFamilyAsPlanned) {
  Experiment e(ladder(4, seeds(8)));
  for (const auto seed : e.plan.seeds) e.done(0, seed, 3), e.done(1, seed, 3 + jitter(seed));
  EXPECT_DOUBLE_EQ(e.report().rows[1].verdict->holm->level, 0.05 / 3) << "steps 2 and 3 are to come";
  EXPECT_FALSE(e.report().rows[2].verdict);
}

TEST(ReportVerdict, OfAnArmThatDivergedOrIsBlockedDoesNotExist) {
  Shifted e({-0.1, -0.1, -0.1}, 9);
  e.diverge(1, 9);
  std::filesystem::remove(e.trial(1, 9).done());
  auto plan = e.plan;
  plan.steps[2].blocked = "sees the future";
  const auto rows = make_report(e.folder, plan).rows;
  EXPECT_EQ(rows[1].status, "partial (8 of 9): 1 diverged");
  EXPECT_FALSE(rows[1].verdict) << "its other seeds are a selection";
  EXPECT_TRUE(rows[1].delta);
  EXPECT_FALSE(rows[2].verdict);
  EXPECT_EQ(rows[2].status, "blocked: sees the future");
  EXPECT_EQ(rows[3].verdict->text, "better");
}

TEST(ReportVerdict, OfFewSeedsIsAScreening) {
  const Shifted e({-0.5, 0.0}, 3);
  const auto report = e.report();
  EXPECT_EQ(report.rows[1].verdict->text, "not enough seeds (3 of 8), leans better");
  EXPECT_EQ(report.rows[2].verdict->text, "not enough seeds (3 of 8)");
  EXPECT_THAT(report.notes,
              Contains(HasSubstr("can't reach Holm's first level of 0.0250 with 3 pairs: its p is "
                                 "0.2500")));
  const Shifted eight({-0.5, 0.0}, 8);
  EXPECT_THAT(eight.report().notes, Not(Contains(HasSubstr("can't reach Holm's"))));
}

// Differences with a mean of 0.0024 and a standard error of 0.0006, shifted: p is .04, .09, .0001 and .2.
TEST(ReportVerdict, NearTheLevelIsSaidToBeOpen) {
  const auto notes = [](double shift, std::int64_t count) { return Shifted({shift}, count).report().notes; };
  const auto near = Contains(HasSubstr("Step 1: p Holm lies near alpha"));
  EXPECT_EQ(Shifted({-0.0008}, 8).report().rows[1].verdict->kind, VerdictKind::kWorse);
  EXPECT_THAT(notes(-0.0008, 8), near);
  EXPECT_EQ(Shifted({-0.00115}, 8).report().rows[1].verdict->kind, VerdictKind::kNoDifference);
  EXPECT_THAT(notes(-0.00115, 8), near);
  EXPECT_THAT(notes(-0.1, 8), Not(near));
  EXPECT_THAT(notes(-0.0015, 8), Not(near));
  EXPECT_THAT(notes(-0.001, 7), Not(near)) << "which has no verdict yet";
}

TEST(ReportStatistics, StandBesideEachDifference) {
  const Shifted e({-0.1}, 5);
  const auto row = e.report().rows[1];
  std::vector<double> treated, baseline, differences;
  for (const auto seed : e.plan.seeds) {
    baseline.push_back(baseline_loss(seed));
    treated.push_back(baseline_loss(seed) - 0.1 + jitter(seed));
    differences.push_back(treated.back() - baseline.back());
  }
  const auto expected = paired_difference(treated, baseline);
  EXPECT_EQ(row.delta->p, expected.p);
  EXPECT_EQ(row.delta->correlation, expected.correlation);
  EXPECT_EQ(row.delta->effect, expected.effect);
  EXPECT_EQ(row.sign_flip->p, sign_flip(differences).p);
  EXPECT_EQ(row.sign_flip->p, 0.0625);
}

TEST(ReportStatistics, ComparesWithTheArmBefore) {
  Experiment e(ladder(5, {1, 2}, 1));  // step 4 reruns step 2
  e.plan.steps[2].control = "flops", e.plan.steps[2].control_of = 1;
  for (const std::int64_t seed : {1, 2})
    for (const std::int64_t step : {0, 1, 2, 3, 4}) e.done(step, seed, 3.0 - 0.5 * static_cast<double>(step));
  const auto rows = make_report(e.folder, e.plan).rows;
  EXPECT_EQ(rows[1].previous, 0);
  EXPECT_EQ(rows[1].delta_previous->mean, -0.5);
  EXPECT_EQ(rows[3].previous, 1) << "step 2 is a control";
  EXPECT_EQ(rows[3].delta_previous->mean, -1);
  EXPECT_FALSE(rows[0].delta_previous || rows[2].delta_previous || rows[4].delta_previous);
}

TEST(ReportStatistics, SaysWherePairingDidNotHelp) {
  const double baseline[] = {3.0, 3.1, 3.2, 3.3}, treated[] = {2.9, 2.8, 2.75, 2.7};
  const auto notes = [&](std::int64_t count) {
    Experiment e(ladder(2, seeds(count)));
    for (int i = 0; i < count; ++i) e.done(0, i + 1, baseline[i]), e.done(1, i + 1, treated[i]);
    return e.report().notes;
  };
  EXPECT_THAT(notes(4), Contains(HasSubstr("ρ = -0.98: pairing by seed did not help")));
  for (const std::int64_t few : {2, 3}) EXPECT_THAT(notes(few), Not(Contains(HasSubstr("ρ"))));
  EXPECT_THAT(Shifted({-0.1}, 4).report().notes, Not(Contains(HasSubstr("did not help"))));
}

// Two factors: A takes .1 off, B .2, both together .4 (an interaction of -.05).
struct Factorial : Experiment {
  explicit Factorial(std::int64_t count) : Experiment(plan_of(count)) {
    const double gains[] = {0, 0.1, 0.2, 0.4, 1};
    for (const auto seed : plan.seeds)
      for (std::int64_t step = 0; step < 5; ++step)
        done(step, seed, baseline_loss(seed) - gains[step] + (step == 1 ? jitter(seed) : 0));
  }
  static PlanRecord plan_of(std::int64_t count) {
    auto plan = ladder(5, seeds(count));  // steps 0 to 3 are the cells, step 4 stands beside them
    plan.factors = {"A", "B"};
    for (std::int64_t cell = 0; cell < 4; ++cell) plan.steps[cell].cell = cell;
    return plan;
  }
};

TEST(FactorialReport, HasMainEffectsAndInteractions) {
  const Factorial e(3);
  const auto report = e.report();
  ASSERT_EQ(report.effects.size(), 3u);
  double mean_jitter = 0;
  for (const auto seed : e.plan.seeds) mean_jitter += jitter(seed) / 3;
  EXPECT_NEAR(report.effects[0].estimate.mean, -0.15 + mean_jitter / 2, 1e-12);
  EXPECT_NEAR(report.effects[1].estimate.mean, -0.25 - mean_jitter / 2, 1e-12);
  EXPECT_NEAR(report.effects[2].estimate.mean, -0.05 - mean_jitter / 2, 1e-12);
  EXPECT_EQ(report.effects[0].estimate.n, 3u);
  for (const auto& text : {render_terminal(report), render_markdown(report)})
    EXPECT_THAT(text, HasSubstr("Main effects and interactions (3 seeds)"));
  write_report(e.folder, report);
  const auto csv = read_text(e.folder.report_effects());
  EXPECT_THAT(csv, HasSubstr("effect,order,seeds,mean,sd,ci_low,ci_high,p_t,p_holm\nA,1,3,"));
  EXPECT_THAT(csv, HasSubstr("\nA x B,2,3," + shortest(report.effects[2].estimate.mean) + ","));
}

TEST(FactorialReport, UsesSeedsOfWhichEveryCellIsFinished) {
  const Factorial e(3);
  std::filesystem::remove(e.trial(2, 3).done());
  EXPECT_EQ(e.report().effects.at(0).estimate.n, 2u);
  std::filesystem::remove(e.trial(1, 1).done());
  EXPECT_TRUE(e.report().effects.empty()) << "one seed has no spread";
  write_file(e.folder.report_effects(), "of an earlier plan");
  write_report(e.folder, e.report());
  EXPECT_FALSE(std::filesystem::exists(e.folder.report_effects()));
}

TEST(FactorialReport, DoesNotMixTrialsOfDifferentThreads) {
  const Factorial e(3);
  e.change(3, 2, [](TrialSummary& s) { s.threads = 2; });
  EXPECT_EQ(e.report().effects.at(0).estimate.n, 2u);
}

TEST(NoiseFloor, OfATrialIsThatOfItsPlansBaseline) {
  const Shifted e({-0.1}, 2);
  std::string problem;
  const auto trial = e.trial(1, 1);
  EXPECT_FALSE(noise_of_trial(trial, problem));
  EXPECT_EQ(problem, "") << "none was measured";
  NoiseFloor noise{
      .arm = arm_key(testing_support::small_config(), "key\n"), .seeds = {1001}, .val_losses = {3}};
  write_noise(e.folder, noise);
  EXPECT_EQ(noise_of_trial(trial, problem), noise);
  noise.arm = "another";
  write_noise(e.folder, noise);
  EXPECT_FALSE(noise_of_trial(trial, problem));
  EXPECT_THAT(problem, HasSubstr("noise.json: is of another baseline"));
  write_file(e.folder.noise(), read_text(e.folder.noise()) + "x");
  EXPECT_FALSE(noise_of_trial(trial, problem));
  EXPECT_THAT(problem, HasSubstr("noise.json: is damaged"));
  write_noise(e.folder, noise);
  std::filesystem::copy(trial.path(), e.folder.trials() / "step1-x-seed1-aaaaaaaaaaaa");
  EXPECT_FALSE(noise_of_trial(TrialFolder(e.folder.trials() / "step1-x-seed1-aaaaaaaaaaaa"), problem));
  EXPECT_THAT(problem, HasSubstr("this trial is not of the present plan"));
}

TEST(NoiseFloor, MeasuresDifferencesInItsUnits) {
  const Shifted e({-0.1}, 8);
  NoiseFloor noise{.arm = arm_key(testing_support::small_config(), "key\n"),
                   .seeds = {1001, 1002, 1003},
                   .val_losses = {3, 3.01, 3.02},
                   .sd = 0.01,
                   .sd_low = 0.005,
                   .sd_high = 0.06,
                   .comparisons = 40,
                   .pairs = 5,
                   .rejected = 2};
  EXPECT_FALSE(e.report().rows[1].delta_noise);
  EXPECT_THAT(e.report().notes, Not(Contains(HasSubstr("oise"))));
  write_noise(e.folder, noise);
  const auto report = e.report();
  EXPECT_NEAR(report.rows[1].delta_noise.value(), report.rows[1].delta->mean / (0.01 * std::sqrt(2.0)),
              1e-12);
  EXPECT_THAT(report.notes,
              Contains(HasSubstr("sd 0.01000 over 3 fresh seeds (95 % interval 0.00500 to 0.06000)")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("rejected in 2 of 40 comparisons")));
  const double effect = smallest_effect(8, 0.05) * 0.01 * std::sqrt(2.0);
  EXPECT_THAT(report.notes,
              Contains(HasSubstr(str("8 seeds find a difference of ", fixed(effect, 4), " nats"))));
  EXPECT_THAT(report.notes, Not(Contains(HasSubstr("how alike the pairs are"))));
  noise.sd = 0.2;  // 1.96 · 0.2 · √(2 / 8) = 0.196, more than the change of 0.1
  write_noise(e.folder, noise);
  EXPECT_THAT(e.report().notes,
              Contains(HasSubstr("Step 1: the means of 8 unpaired seeds of the baseline differ by up to ± "
                                 "0.1960 (95 %, noise floor), more than this change")));
  noise.arm = "another";
  write_noise(e.folder, noise);
  EXPECT_FALSE(e.report().rows[1].delta_noise) << "the noise of another configuration says nothing";
  EXPECT_THAT(e.report().notes, Contains(HasSubstr("it is not used")));
}

TEST(TimesUnderOtherLoad, AreMarkedAndNotReadAtEqualTime) {
  const Shifted e({-0.1, -0.2}, 2);
  const auto share = [&](std::int64_t step, double value) {
    e.change(step, 2, [&](TrialSummary& s) { s.cpu_share = value; });
  };
  for (const std::int64_t step : {0, 1, 2}) share(step, 0.95);
  EXPECT_TRUE(e.report().rows[1].equal_time && e.report().rows[2].equal_time);
  EXPECT_THAT(render_terminal(e.report()), Not(HasSubstr("5.0*")));
  share(1, 0.63);
  auto report = e.report();
  EXPECT_FALSE(report.rows[1].equal_time);
  EXPECT_TRUE(report.rows[1].equal_flops) << "operations take no time";
  EXPECT_TRUE(report.rows[2].equal_time) << "of other trials";
  EXPECT_EQ(report.rows[1].cpu_share, 0.63);
  EXPECT_THAT(render_terminal(report), HasSubstr(" 5.0*"));
  EXPECT_THAT(report.notes,
              Contains("* Step 1 (arm1) was timed under other load: seed 2 had its core for 63 % of "
                       "the time."));
  share(1, 0.95), share(0, 0.5);
  report = e.report();
  EXPECT_FALSE(report.rows[1].equal_time || report.rows[2].equal_time) << "the baseline's times";
}

TEST(TimesUnderOtherLoad, AreThoseBesideMoreTrialsToo) {
  const Shifted e({-0.1}, 2);
  e.change(1, 2, [](TrialSummary& s) { s.beside = 3; });
  EXPECT_FALSE(e.report().rows[1].equal_time);
}

TEST(TimesOfSeveralMachines, AreMarkedAndNotReadAtEqualTime) {
  const Shifted e({-0.1, -0.2}, 2);
  e.change(1, 2, [](TrialSummary& s) { s.host = "there"; });
  auto report = e.report();
  EXPECT_FALSE(report.rows[1].equal_time);
  EXPECT_TRUE(report.rows[2].equal_time);
  EXPECT_TRUE(report.rows[1].equal_flops);
  EXPECT_THAT(render_terminal(report), HasSubstr(" 5.0*"));
  EXPECT_THAT(report.notes, Contains(HasSubstr("Step 1 (arm1) was timed on several machines, here, there")));
  e.change(0, 2, [](TrialSummary& s) { s.host = "there"; });
  EXPECT_TRUE(e.report().rows[1].equal_time) << "each pair ran on one";
}

TEST(Utilisation, IsAgainstOnePeak) {
  const Shifted e({-0.1}, 1);
  e.change(0, 1, [](TrialSummary& s) { s.mfu = 0.25; });
  EXPECT_THAT(e.report().notes, Contains(HasSubstr("each trial measured what it is against by itself")));
  write_peaks(e.folder, {{.host = "h",
                          .device = "cpu",
                          .dtype = "float32",
                          .threads = 2,
                          .flops_per_second = 9.04e10,
                          .measured = "2026-01-31T12:00:00Z"}});
  EXPECT_THAT(e.report().notes,
              Contains("MFU is against a large matrix product, measured alone before the trials: "
                       "90.4 GFLOP/s (float32, 2 threads, h)."));
  write_file(e.folder.peak(), "{\"peaks\": [{}]}");
  EXPECT_TRUE(read_peaks(e.folder).empty()) << "damaged";
}

TEST(LooksInAReport, SayWhichSeedsWereAddedAfterALook) {
  const Shifted e({-0.1}, 8);
  auto first = e.plan;
  first.seeds = seeds(3);
  const auto look = [&](const PlanRecord& plan) {
    const auto report = make_report(e.folder, plan);
    record_look(e.folder, report.seeds, report.trials);
  };
  std::erase_if(first.trials, [](const PlannedTrial& trial) { return trial.seed > 3; });
  EXPECT_THAT(e.report().notes, Not(Contains(HasSubstr("a look"))));
  look(first);
  EXPECT_THAT(make_report(e.folder, first).notes, Not(Contains(HasSubstr("a look"))));
  EXPECT_THAT(e.report().notes, Contains("Seeds 4-8 were added after a look at seeds 1-3."));
  EXPECT_THAT(e.report().notes, Contains(HasSubstr("likelier than alpha says")));
  look(e.plan);
  EXPECT_THAT(e.report().notes, Contains("Seeds 4-8 were added after a look at seeds 1-3."));
}

TEST(LooksInAReport, TellAnInterruptedRunFromAnExtendedOne) {
  const Shifted e({-0.1}, 8);
  auto trials = e.report().trials;
  for (auto& trial : trials)
    if (trial.planned.seed > 3) trial.state = TrialState::kMissing;
  record_look(e.folder, e.plan.seeds, trials);
  const auto notes = e.report().notes;
  EXPECT_THAT(notes,
              Contains("There was a look at seeds 1-3 before seeds 4-8, planned by then, had finished."));
  EXPECT_THAT(notes, Not(Contains(HasSubstr("added after"))));
}

TEST(MechanismUses, AreMeansOfTheFirstAndTheLastEvaluation) {
  Experiment e(ladder(2, {1, 2}));
  for (const std::int64_t seed : {1, 2}) {
    e.done(0, seed, 3), e.done(1, seed, 3);
    auto rows = rows_of(e.trial(1, seed));
    for (const std::int64_t iteration : {10, 20, 30})
      for (const std::int64_t block : {0, 1}) {
        MechanismRow row{iteration, block, {}};
        row.values["routing_entropy"] = 0.1 * static_cast<double>(iteration) + static_cast<double>(seed);
        if (block == 0) row.values["gate_mean"] = 0.5;
        rows.push_back(row);
      }
    e.log(1, seed, rows);
  }
  const auto report = e.report();
  ASSERT_EQ(report.uses.size(), 2u);
  EXPECT_EQ(report.uses[0].iteration, 10);
  EXPECT_NEAR(report.uses[0].values.at("routing_entropy"), 2.5, 1e-12);
  EXPECT_EQ(report.uses[1].iteration, 30);
  EXPECT_NEAR(report.uses[1].values.at("routing_entropy"), 4.5, 1e-12);
  EXPECT_EQ(report.uses[1].values.at("gate_mean"), 0.5) << "the last block has no gate";
  const auto text = render_markdown(report);
  EXPECT_THAT(text, HasSubstr("## How the mechanisms were used"));
  EXPECT_THAT(text, HasSubstr("| step | arm | iteration | gate mean | routing entropy |"));
  EXPECT_THAT(text, HasSubstr("| 1 | arm1 | 30 | 0.5000 | 4.5000 |"));
}

TEST(Gates, StandInTheReportWithTheReasonOfWhatFailed) {
  const Experiment e(ladder(2, {1}));
  write_audit(e.folder, {{0, "causality", true, "no bit"},
                         {1, "liveness", false, "gate is DEAD"},
                         {1, "causality", true, "no bit"}});
  EXPECT_EQ(read_audit(e.folder).size(), 3u);
  EXPECT_EQ(read_audit(e.folder)[1], (GateCheck{1, "liveness", false, "gate is DEAD"}));
  const auto text = render_markdown(e.report());
  EXPECT_THAT(text, HasSubstr("## Gates before training"));
  EXPECT_THAT(text, HasSubstr("| causality | liveness: gate is DEAD |"));
  write_file(e.folder.audit(), "{\"checks\": [{\"step\": 1}]}");
  EXPECT_TRUE(read_audit(e.folder).empty()) << "damaged";
  EXPECT_EQ(render_markdown(e.report()).find("Gates before"), std::string::npos);
}

}  // namespace
}  // namespace kablate
