#include "report/paper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "record/imported.h"
#include "report/long_csv.h"
#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing_support::Experiment;
using testing_support::ladder;
using testing_support::seeds;

// Losses whose differences to the baseline have a mean of `shift` and some spread.
void train(const Experiment& experiment, std::int64_t step, double shift) {
  for (const auto seed : experiment.plan.seeds) {
    const double s = static_cast<double>(seed);
    experiment.done(step, seed, 2 + 0.01 * s + shift + (step == 0 ? 0 : 0.001 * (seed % 3 - 1)));
  }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Latex, EscapesWhatItWouldTakeAsACommand) {
  EXPECT_EQ(latex_text("a_b & 50 % of #1 {x} ^~ $ \\"),
            "a\\_b \\& 50 \\% of \\#1 \\{x\\} \\textasciicircum{}\\textasciitilde{} \\$ \\textbackslash{}");
  EXPECT_EQ(latex_text("-0.0159 [-0.1001, +0.0684]"), "$-$0.0159 {[}$-$0.1001, $+$0.0684]");
  EXPECT_EQ(latex_text("gate+cross t-test <0.0001 2.3 ± 0.1*"),
            "gate+cross t-test $<$0.0001 2.3 $\\pm$ 0.1{*}");
  EXPECT_EQ(latex_text("a\nb\"é"), "a b''é");
  EXPECT_EQ(latex_text("a--b ---c d-e it''s ,,"), "a-{}-b -{}-{}-c d-e it'{}'s ,{},");
  EXPECT_EQ(latex_text("?`a` --0.1"), "?\\textasciigrave{}a\\textasciigrave{} -{}-0.1");
  EXPECT_EQ(latex_text("a\x7F"
                       "b\xC2\x85"
                       "c\xC2\xA0"),
            "a b c\xC2\xA0");
}

// What LaTeX would stop at: a brace or a mathematics sign without its other, or a row of other cells.
void expect_well_formed(const std::string& latex) {
  int depth = 0;
  bool mathematics = false;
  std::size_t rows = 0;
  std::ptrdiff_t cells = -1;
  for (const auto& line : split(latex, '\n')) {
    if (line.starts_with('%')) continue;
    std::ptrdiff_t ampersands = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\\') {
        ++i;
        continue;
      }
      depth += line[i] == '{' ? 1 : line[i] == '}' ? -1 : 0;
      ASSERT_GE(depth, 0) << line;
      if (line[i] == '$') mathematics = !mathematics;
      ASSERT_FALSE(line[i] == '#' || line[i] == '_' || line[i] == '^' || line[i] == '~' || line[i] == '%')
          << line;
      if (line[i] == '&') ++ampersands;
    }
    ASSERT_FALSE(mathematics) << line;
    if (!line.ends_with("\\\\")) continue;
    if (cells < 0) cells = ampersands;
    EXPECT_EQ(ampersands, cells) << line;
    ++rows;
  }
  EXPECT_EQ(depth, 0);
  EXPECT_GE(rows, 2u);
}

TEST(Latex, IsATableWithACaption) {
  auto plan = ladder(3, seeds(8));
  plan.name = "50 % of_it {";
  plan.steps[1].name = "gate_x & y";
  plan.steps[2].noncausal = true;
  const Experiment experiment(plan);
  train(experiment, 0, 0), train(experiment, 1, -0.1), train(experiment, 2, 0.1);
  const auto text = render_latex(experiment.report());
  expect_well_formed(text);
  EXPECT_TRUE(has(text, "    gate\\_x \\& y & ")) << text;
  EXPECT_TRUE(has(text, "arm2 (NOT CAUSAL) & ")) << text;
  EXPECT_TRUE(has(text, " & better & 8 \\\\")) << text;
  EXPECT_TRUE(has(text,
                  "\\begin{tabular}{lrlrrlr}\n    \\toprule\n    arm & parameters & val loss & "
                  "change {[}95 \\% interval] & p Holm & verdict & seeds \\\\\n    \\midrule\n"))
      << text;
  EXPECT_TRUE(has(text, "\\label{tab:e}")) << text;
  EXPECT_TRUE(has(text, "8 seeds 1-8")) << text;
  EXPECT_TRUE(has(text, "adjusted by Holm in the family of 2 arms")) << text;
  EXPECT_FALSE(has(text, "lualatex")) << text;
}

TEST(Latex, BreaksLongTextAndNoNumbers) {
  const Experiment experiment(ladder(2, seeds(3)));
  train(experiment, 0, 0), train(experiment, 1, -0.1);
  const auto text = render_latex(experiment.report());
  EXPECT_TRUE(has(text, "{lrlrrp{0.17\\linewidth}r}")) << text;
}

TEST(Markdown, ShowsNamesAsTheyAre) {
  EXPECT_EQ(markdown_text("<img src=x> &amp; a & b <0.0001"), "&lt;img src=x> &amp;amp; a & b <0.0001");
  EXPECT_EQ(markdown_text("*a* _b_ `c` d|e \\ gate_x"), "\\*a\\* \\_b\\_ \\`c\\` d\\|e \\\\ gate_x");
  EXPECT_EQ(markdown_text("[a](http://x) [-0.1, +0.2]"), "\\[a](http://x) [-0.1, +0.2]");
  EXPECT_EQ(markdown_text("# a\nb"), "\\# a b");
  EXPECT_EQ(markdown_prose("`kablate audit` of <b> [a](x) _b_"), "`kablate audit` of &lt;b> \\[a](x) _b_");
}

TEST(Paper, NamesInMarkdownAreNoMarkup) {
  auto plan = ladder(2, seeds(3));
  plan.name = "<b>*plan*", plan.steps[0].name = "[base](x)", plan.steps[1].name = "<i>`a`";
  plan.notes = {"Step 1 (<i>) is `odd`."};
  const Experiment experiment(plan);
  train(experiment, 0, 0), train(experiment, 1, -0.1);
  const auto report = experiment.report();
  for (const auto& text : {render_short_markdown(report), render_markdown(report)}) {
    EXPECT_TRUE(has(text, "&lt;b>\\*plan\\*")) << text;
    EXPECT_TRUE(has(text, "| \\[base](x) |") && has(text, "| &lt;i>\\`a\\` |")) << text;
    EXPECT_TRUE(has(text, "- Step 1 (&lt;i>) is `odd`.")) << text;
  }
  EXPECT_TRUE(has(render_short_markdown(report), "difference to \\[base](x) ("))
      << render_short_markdown(report);
}

TEST(Paper, CaptionNamesTheFinishedSeedsWhereSomeAreNot) {
  const Experiment experiment(ladder(2, seeds(3)));
  for (const auto seed : {1, 2, 3}) experiment.done(0, seed, 2 + 0.01 * seed);
  for (const auto seed : {1, 2}) experiment.done(1, seed, 1.9 + 0.01 * seed);
  const auto report = experiment.report();
  EXPECT_TRUE(has(paper_caption(report), "over the finished seeds (column seeds) of the 3 seeds 1-3."))
      << paper_caption(report);
  EXPECT_TRUE(has(render_latex(report), " & seeds & status")) << render_latex(report);
}

TEST(Paper, MarkdownKeepsTheNotesFoldedAway) {
  const Experiment experiment(ladder(2, seeds(3)));
  train(experiment, 0, 0), train(experiment, 1, -0.1);
  const auto report = experiment.report();
  const auto text = render_short_markdown(report);
  EXPECT_TRUE(text.starts_with(
      "| arm | parameters | val loss | change [95 % interval] | p Holm | verdict | seeds |\n"))
      << text;
  EXPECT_TRUE(has(text, "\n\nladder. val loss (nats a token)")) << text;
  for (const auto& note : report.notes) EXPECT_TRUE(has(text, "- " + note)) << note;
  EXPECT_TRUE(text.ends_with("</details>\n")) << text;
}

TEST(Paper, SaysWhatMakesTheTableUnbelievable) {
  auto plan = ladder(3, seeds(2), /*reruns=*/1);
  const Experiment experiment(plan);
  train(experiment, 0, 0), train(experiment, 1, -0.1), train(experiment, 2, 0.5);
  const auto report = experiment.report();
  ASSERT_FALSE(report.faults.empty());
  EXPECT_TRUE(has(render_latex(report), "No verdict of this table can be believed"));
  EXPECT_TRUE(has(render_short_markdown(report), "No verdict of this table can be believed"));
}

TEST(LongCsv, HasARowATrialAndEvaluation) {
  const Experiment experiment(ladder(2, seeds(2)));
  experiment.curve(0, 1, {{10, 3}, {20, 2.5}});
  experiment.done(1, 1, 2.25);
  experiment.add_row(1, 1, EvaluationRow{.iteration = 30, .val_loss = 2, .terms = {{"val_accuracy", 0.5}}});
  EXPECT_EQ(render_long_csv(experiment.report()),
            "experiment,step,arm,role,seed,key,status,iteration,train_loss,val_loss,val_accuracy\n"
            "e,0,arm0,baseline,1,0123456789ab,done,10,3,3,\n"
            "e,0,arm0,baseline,1,0123456789ab,done,20,2.5,2.5,\n"
            "e,1,arm1,arm,1,0123456789ab,done,20,2.15,2.25,\n"
            "e,1,arm1,arm,1,0123456789ab,done,30,,2,0.5\n"
            "e,0,arm0,baseline,2,0123456789ab,missing,,,,\n"
            "e,1,arm1,arm,2,0123456789ab,missing,,,,\n");
}

// Eight seeds of two arms, the second 0.1 above the first.
Report report_of_import(const TemporaryFolder& root, Better better) {
  std::string csv = "arm,seed,loss\n";
  for (int seed = 0; seed < 8; ++seed)
    csv += str("a,", seed, ",", 2 + 0.01 * seed, "\nb,", seed, ",", 2.1 + 0.01 * seed + 0.001 * (seed % 3),
               "\n");
  const ExperimentFolder folder(root.path() / "runs");
  write_imported(folder, parse_runs(csv, "runs.csv", {.baseline = "", .better = better}));
  return make_report(folder);
}

TEST(ImportedReport, JudgesInTheWayThatTheFileIsGood) {
  const TemporaryFolder root;
  const auto less = report_of_import(root, Better::kLess);
  EXPECT_EQ(less.rows[1].verdict->text, "worse");
  EXPECT_EQ(less.rows[1].delta->n, 8u);
  EXPECT_EQ(report_of_import(root, Better::kMore).rows[1].verdict->text, "better");
}

TEST(ImportedReport, SaysThatNothingWasGated) {
  const TemporaryFolder root;
  const auto report = report_of_import(root, Better::kLess);
  for (const auto& text : {render_terminal(report), render_markdown(report), render_latex(report),
                           render_short_markdown(report)}) {
    EXPECT_TRUE(has(text, "Not gated")) << text;
    EXPECT_TRUE(has(text, "| not gated |") || has(text, "  not gated") || has(text, "& not gated")) << text;
    EXPECT_FALSE(has(text, "val loss") || has(text, "nats")) << text;
    EXPECT_FALSE(has(text, "params")) << "the file says nothing of them: " << text;
  }
  EXPECT_FALSE(has(render_markdown(report), "process"));
  const auto lines = split(render_csv(report), '\n');
  EXPECT_TRUE(lines[0].ends_with(",gates")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(",not gated") && lines[2].ends_with(",not gated"));
}

}  // namespace
}  // namespace kablate
