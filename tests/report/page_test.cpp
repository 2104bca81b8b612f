#include "report/page/page.h"

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "report/page/answer.h"
#include "report/page/curves.h"
#include "report/page/drawing.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/page/settling.h"
#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::ladder;
using testing_support::seeds;

// A ladder whose arms differ from the baseline by `effects`, each seed by as much but for a little.
struct Ladder : Experiment {
  Ladder(const std::vector<double>& effects, std::int64_t count)
      : Experiment(ladder(std::ssize(effects) + 1, seeds(count))) {
    for (std::int64_t seed = 1; seed <= count; ++seed)
      for (std::int64_t step = 0; step <= std::ssize(effects); ++step) {
        const double effect = step == 0 ? 0 : effects[static_cast<std::size_t>(step - 1)];
        const double wobble = 0.001 * static_cast<double>((seed * (step + 3)) % 5);
        const double loss = 2.5 + effect + 0.01 * static_cast<double>(seed) + wobble;
        curve(step, seed, {{10, loss + 1}, {20, loss + 0.25}, {30, loss}});
      }
  }
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

TEST(Markup, KeepsTextText) {
  EXPECT_EQ(page::escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(page::escaped("é→𝄞"), "é→𝄞");
  const std::string replaced = "\xEF\xBF\xBD";
  for (const char* bytes :
       {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x01", "\x7F"})
    EXPECT_EQ(page::escaped(bytes).substr(0, 3), replaced) << bytes;
  EXPECT_EQ(page::prose("call `make <b>` now, `"), "call <code>make &lt;b&gt;</code> now, `");
  EXPECT_THAT(page::data_element("d", Json{{"name", "</script><script>"}}),
              Not(HasSubstr("</script><script>")));
}

TEST(Scale, HasRoundTicksWithin) {
  const auto texts = [](double low, double high) {
    std::vector<std::string> all;
    for (const auto& tick : page::Scale(low, high, 0, 100).ticks(5)) all.push_back(tick.text);
    return all;
  };
  EXPECT_THAT(texts(-0.031, 0.042), ElementsAre("-0.02", "0.00", "0.02", "0.04"));
  EXPECT_THAT(texts(0, 10), ElementsAre("0", "2", "4", "6", "8", "10"));
  EXPECT_THAT(texts(1.2e6, 3.1e6), ElementsAre("1500000", "2000000", "2500000", "3000000"));
  const auto scale = page::scale_of({5, 5}, 0, 100);
  EXPECT_DOUBLE_EQ(scale(5), 50);
}

// What a plan, an environment or a result can bring into a page: nothing but text.
TEST(Page, ShowsNamesAsText) {
  const std::string evil = "<script>alert(1)</script>\"'&";
  auto plan = ladder(3, seeds(2));
  plan.name = evil;
  plan.text = "name: " + evil + "\n</pre>" + evil;
  for (auto& step : plan.steps) step.name = str(step.number, evil);
  plan.notes = {evil};
  plan.steps[2].blocked = evil;
  Experiment e(plan);
  for (std::int64_t seed = 1; seed <= 2; ++seed)
    for (std::int64_t step = 0; step < 2; ++step) {
      e.curve(step, seed, {{10, 3.0}, {20, 2.5 - 0.1 * static_cast<double>(step)}});
      write_file(e.trial(step, seed).environment(), Json{{"cpu", evil}, {evil, {{"a", evil}}}}.dump());
      e.key(step, seed, str("kablate trial 1\n", evil, " = ", step, evil, "\n"));
    }
  const auto text = render_page(e.folder, e.report());
  EXPECT_EQ(count(text, "<script>alert"), 0u);
  EXPECT_THAT(text, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
  // Two scripts of its own, one element of data; what uPlot's own text says of elements is not counted.
  EXPECT_EQ(count(text, "<script>") + count(text, "<script type="), 3u);
}

TEST(Page, AsksForNothing) {
  const Ladder e({-0.1}, 3);
  const auto text = render_page(e.folder, e.report());
  EXPECT_THAT(text, HasSubstr("default-src 'none'"));
  const auto body = text.substr(0, text.find("<script>"));  // the scripts are under the same policy
  for (const auto* what : {" src=", "url(", "@import", "<link", "<iframe"})
    EXPECT_EQ(count(body, what), 0u) << what;
  const std::regex address("href=\"([^\"]*)\"");
  for (std::sregex_iterator found(body.begin(), body.end(), address), end; found != end; ++found)
    EXPECT_EQ((*found)[1].str().front(), '#') << (*found)[1];
}

TEST(Page, IsTheSameFromTheSameFiles) {
  const Ladder e({-0.1, 0.2}, 3);
  write_report(e.folder, e.report());
  const auto first = read_text(e.folder.report_page());
  write_report(e.folder, e.report());
  EXPECT_EQ(read_text(e.folder.report_page()), first);
  EXPECT_EQ(first, render_page(e.folder, e.report()));
}

TEST(Page, StaysSmall) {
  const Ladder few(std::vector<double>(9, -0.1), 3);  // 30 trials
  EXPECT_LT(render_page(few.folder, few.report()).size(), 500'000u);
}

TEST(Page, WarnsAboveAllElse) {
  const Ladder e({-0.1}, 2);
  auto report = e.report();
  report.faults = {"step 1 is not what it must be"};
  const auto text = render_page(e.folder, report);
  EXPECT_LT(text.find("NO VERDICT OF THIS TABLE CAN BE BELIEVED"), text.find("id=\"answer\""));
}

TEST(Answer, GivesVerdictEffectAndCost) {
  const Ladder e({-0.1, 0.2}, 8);
  for (std::int64_t seed = 1; seed <= 8; ++seed) e.change(1, seed, [](auto& s) { s.ms_per_iter = 30; });
  for (std::int64_t seed = 1; seed <= 8; ++seed) e.change(0, seed, [](auto& s) { s.ms_per_iter = 20; });
  const auto text = page::answer_markup(e.report());
  EXPECT_THAT(text, AllOf(HasSubstr("2 arms against arm0. better: arm1; worse: arm2."),
                          HasSubstr("better: val loss changes by -0.0999 nats"), HasSubstr("8 pairs, p Holm"),
                          HasSubstr("1.50 × the time an iteration (30.0 ms)"),
                          HasSubstr("parameters as before"), Not(HasSubstr("seeds more"))));
}

TEST(Answer, SaysWhatWouldSettleWhatIsOpen) {
  const Ladder e({-0.002}, 3);
  for (std::int64_t seed = 1; seed <= 3; ++seed)
    for (std::int64_t step = 0; step < 2; ++step)
      e.change(step, seed, [](auto& s) { s.wall_seconds = 60, s.beside = 1; });
  const auto report = e.report();
  const auto text = page::settling_text(report, report.rows[1]);
  // 5 seeds of both steps, a minute each, two at once
  EXPECT_THAT(text, HasSubstr("needs 5 pairs more (about 5 min"));
  EXPECT_THAT(text, HasSubstr("8 pairs find a change of 0.00"));
  EXPECT_THAT(page::answer_markup(report), HasSubstr("<code>make STEPS=0,1 SEEDS=1-8</code>, about 5 min"));
}

TEST(Answer, SaysWhatSeedsMoreDoNotMend) {
  const Ladder e({-0.002}, 8);
  for (std::int64_t seed = 1; seed <= 3; ++seed) e.change(1, seed, [](auto& s) { s.arithmetic = "another"; });
  const auto report = e.report();
  ASSERT_EQ(report.rows[1].delta->n, 5u);
  EXPECT_THAT(
      page::settling_text(report, report.rows[1]),
      AllOf(HasSubstr("needs 3 pairs more"), HasSubstr("3 seeds are finished on both sides and no pair")));
  EXPECT_THAT(page::settle_all(report), HasSubstr("SEEDS=1-11`"));
}

TEST(Answer, SaysWhyThereIsNoVerdict) {
  const Ladder e({-0.1, -0.2}, 3);
  e.diverge(1, 2);
  std::filesystem::remove(e.trial(1, 2).done());
  const auto text = page::answer_markup(e.report());
  EXPECT_THAT(text, AllOf(HasSubstr("diverged: arm1"), HasSubstr("arm1 diverged in some seed")));
  Experiment unfinished(ladder(2, seeds(2)));
  for (std::int64_t seed = 1; seed <= 2; ++seed) unfinished.curve(1, seed, {{10, 2.5}});
  EXPECT_THAT(page::answer_markup(unfinished.report()), HasSubstr("arm0 has no finished trial: missing"));
}

// Differences that rounding alone moves: an effect of any number of sd.
TEST(Answer, HoldsForDifferencesThatAreAlmostEqual) {
  Experiment e(ladder(2, seeds(3)));
  for (std::int64_t seed = 1; seed <= 3; ++seed)
    for (std::int64_t step = 0; step < 2; ++step)
      e.curve(step, seed,
              {{10, 2.5 - 0.1 * static_cast<double>(step) + 1e-9 * static_cast<double>(step * seed)}});
  const auto report = e.report();
  EXPECT_THAT(page::settling_text(report, report.rows[1]),
              HasSubstr("as large as it looks now takes about 8"));
}

TEST(Answer, NamesTimesThatCannotBeCompared) {
  const Ladder e({-0.1}, 2);
  e.change(1, 1, [](auto& s) { s.host = "elsewhere"; });
  EXPECT_THAT(page::answer_markup(e.report()),
              AllOf(HasSubstr("times not comparable"), Not(HasSubstr("the time an iteration"))));
}

TEST(Figures, ColourNoEffectOfTooFewSeeds) {
  for (const std::int64_t count_of_seeds : {2, 8}) {
    auto plan = ladder(2, seeds(count_of_seeds));
    plan.factors = {"A"}, plan.steps[0].cell = 0, plan.steps[1].cell = 1;
    Experiment e(plan);
    for (std::int64_t seed = 1; seed <= count_of_seeds; ++seed)
      for (std::int64_t step = 0; step < 2; ++step)
        e.curve(step, seed,
                {{10, 2.5 - 0.3 * static_cast<double>(step) + 1e-5 * static_cast<double>(step * seed % 3)}});
    auto report = e.report();
    ASSERT_TRUE(report.effects.at(0).holm.rejected);
    EXPECT_EQ(count(page::effects_figure(report), "s-better") > 0, count_of_seeds == 8);
    report.faults = {"no"};
    EXPECT_EQ(count(page::effects_figure(report), "s-better"), 0u);
  }
}

TEST(Page, IsNamedByItsFolderHoweverThatIsSpelled) {
  const Ladder e({-0.1}, 2);
  const auto plain = render_page(e.folder, e.report());
  EXPECT_THAT(plain, HasSubstr("<title>e (ladder)"));
  for (const char* spelled : {"/", "/.", "/../e"}) {
    const ExperimentFolder folder(e.folder.path().string() + spelled);
    EXPECT_EQ(render_page(folder, make_report(folder)), plain) << spelled;
  }
}

TEST(Figures, DrawEveryArmOnceAndItsControlsBesideIt) {
  auto plan = ladder(4, seeds(3));
  plan.steps[3].control = "parameters", plan.steps[3].control_of = 1;
  Experiment e(plan);
  for (std::int64_t seed = 1; seed <= 3; ++seed)
    for (std::int64_t step = 0; step < 4; ++step)
      e.curve(step, seed, {{10, 3}, {20, 2.5 - 0.01 * static_cast<double>(step * seed)}});
  const auto text = page::forest_figure(e.report());
  EXPECT_EQ(count(text, "<circle"), 3u);  // two arms, and the first against its control
  EXPECT_LT(text.find("1  arm1"), text.find("1 arm1 minus 3 arm3"));
  EXPECT_LT(text.find("1 arm1 minus 3 arm3"), text.find("2  arm2"));
}

TEST(Figures, LeaveOutCostsThatAllHaveAlike) {
  const Ladder e({-0.1}, 2);
  for (std::int64_t seed = 1; seed <= 2; ++seed) {
    e.change(0, seed, [](auto& s) { s.ms_per_iter = 20; });
    e.change(1, seed, [](auto& s) { s.ms_per_iter = 30; });
  }
  const auto text = page::cost_figures(e.report());
  EXPECT_THAT(text, AllOf(HasSubstr("id=\"cost-time\""), Not(HasSubstr("id=\"cost-parameters\"")),
                          HasSubstr("The same for all steps: parameters (")));
}

// Of arms that cost and give the same nearly all numbers would lie on one another.
TEST(Figures, LeaveOutNumbersOfDotsThatLieTogether) {
  constexpr std::int64_t kArms = 60;
  const Ladder e(std::vector<double>(kArms, -0.1), 1);
  for (std::int64_t step = 0; step <= kArms; ++step)
    e.change(step, 1, [&](auto& s) { s.ms_per_iter = step == 0 ? 20 : 30; });
  const auto text = page::cost_figures(e.report());
  const std::string figure = text.substr(0, text.find("</svg>"));
  EXPECT_EQ(count(figure, "<circle"), static_cast<std::size_t>(kArms + 1));
  std::size_t numbers = 0;
  for (std::int64_t step = 0; step <= kArms; ++step) numbers += count(figure, str(">", step, "</text>")) > 0;
  EXPECT_GE(numbers, 2u) << "the baseline's and another";
  EXPECT_LE(numbers, 6u);
}

TEST(Figures, ShowWhatTrainedModelsLoseWithoutAMechanism) {
  const Ladder e({-0.1}, 3);
  EXPECT_EQ(page::knockout_figure(e.report()), "");
  for (std::int64_t seed = 1; seed <= 3; ++seed) {
    const auto weights = finished(e.trial(1, seed))->weights_sha256;
    write_knockout(e.trial(1, seed), {2.4,
                                      8,
                                      {{"gate", 0, 2.5, 0.1 * static_cast<double>(seed), 0.05, 0.2},
                                       {"gate", 2, 9, 6.6, {}, {}}},
                                      weights});
  }
  EXPECT_THAT(page::knockout_figure(e.report()),
              AllOf(HasSubstr("arm1 without gate"), HasSubstr("+0.2000, 3 seeds"), Not(HasSubstr("6.6"))));
}

TEST(Curves, CarryMeansBandsAndPairedChanges) {
  const Ladder e({-0.1}, 4);
  const auto data = page::curve_data(e.report());
  ASSERT_EQ(data["arms"].size(), 2u);
  const auto& arm = data["arms"][1];
  EXPECT_EQ(arm["x"], Json({10.0, 20.0, 30.0}));
  EXPECT_EQ(arm["seeds"], 4);
  EXPECT_LE(arm["low"][2], arm["mean"][2]);
  EXPECT_GE(arm["high"][2], arm["mean"][2]);
  const auto row = e.report().rows[1];
  EXPECT_NEAR(arm["change"]["mean"][2].get<double>(), row.delta->mean, 1e-5);
  EXPECT_NEAR(arm["change"]["low"][2].get<double>(), row.delta->interval->low, 1e-5);
  EXPECT_TRUE(data["arms"][0]["change"]["x"].empty());
}

TEST(Curves, AreThinned) {
  Experiment e(ladder(1, {1}));
  std::vector<std::pair<std::int64_t, double>> points;
  for (std::int64_t i = 1; i <= 5000; ++i) points.emplace_back(i, 5.0 - 0.0001 * static_cast<double>(i));
  e.curve(0, 1, points);
  const auto x = page::curve_data(e.report())["arms"][0]["x"];
  EXPECT_LE(x.size(), 600u);
  EXPECT_EQ(x.front(), 1.0);
  EXPECT_EQ(x.back(), 5000.0);
}

TEST(Curves, OfTrialsAreThereWhereTheyHaveRoom) {
  const auto few = page::curve_data(Ladder({-0.1}, 4).report());
  const auto& trials = few["arms"][1]["trials"];
  EXPECT_EQ(trials["x"], Json({10.0, 20.0, 30.0}));
  EXPECT_EQ(trials["seeds"], Json({1, 2, 3, 4}));
  ASSERT_EQ(trials["y"].size(), 4u);
  const auto &low = few["arms"][1]["low"][2], &high = few["arms"][1]["high"][2];
  for (const auto& losses : trials["y"]) EXPECT_TRUE(low <= losses[2] && losses[2] <= high);
  // 60,000 points are too few for so many trials.
  Report many = Ladder({}, 1).report();
  many.trials.resize(5001, many.trials[0]);
  const auto without = page::curve_data(many);
  EXPECT_EQ(without["trial_points"], 0);
  EXPECT_FALSE(without["arms"][0].contains("trials"));
  const Ladder e({}, 1);
  EXPECT_THAT(render_page(e.folder, many), HasSubstr("The curves of single trials are not on this page"));
}

TEST(Page, SumsUpTrialsThatAreTooManyToList) {
  const Ladder e({-0.1}, 1);
  Report report = e.report();
  EXPECT_THAT(render_page(e.folder, report), HasSubstr("<summary>2 trials</summary>"));
  const auto one = report.trials[1];
  for (std::int64_t seed = 2; seed <= 500; ++seed) {
    report.trials.push_back(one);
    report.trials.back().planned.seed = seed;
    if (seed % 100 != 0) continue;
    report.trials.back().state = TrialState::kFailed;
    report.trials.back().summary.reset();
  }
  report.trials[7].summary->val_loss = 1.25;
  const auto text = render_page(e.folder, report);
  EXPECT_THAT(text,
              AllOf(HasSubstr("501 trials"), HasSubstr("report.md</code> has a line for each"),
                    HasSubstr("failed 100, 200, 300, 400, 500"), HasSubstr("<td class=n>1.250000</td>")));
  EXPECT_LT(count(text, "<tr>"), 200u);
}

}  // namespace
}  // namespace kablate
