#include "report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using testing::Not;

// A whole ladder of six steps and three seeds, the last two reruns.
Report ladder_report(const TemporaryFolder& root) {
  const ExperimentFolder folder(root.path());
  auto plan = testing_support::ladder(6, {1, 2, 3}, 2);
  const char* names[] = {"mla", "gate", "gate+cross", "all", "gate+cross", "all"};
  for (int step = 0; step < 6; ++step)
    plan.steps[step].name = names[step],
    plan.steps[step].parameters = plan.steps[step].active_parameters = 235137792;
  write_experiment(folder, plan, testing_support::small_config());
  for (const auto& trial : plan.trials) {
    const auto arm = trial.step > 3 ? trial.step - 2 : trial.step;
    testing_support::finish(
        folder.trial(trial.folder), trial.step, trial.seed,
        2.5 - 0.01 * static_cast<double>(arm * arm) + 0.003 * static_cast<double>(trial.seed));
  }
  return make_report(folder);
}

std::vector<std::string> lines_of(const std::string& text) { return split(text, '\n'); }

// RFC 4180, as another program would read it.
std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> records{{""}};
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto& field = records.back().back();
    if (quoted && text[i] == '"' && i + 1 < text.size() && text[i + 1] == '"')
      field += text[i++];
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == ',')
      records.back().emplace_back();
    else if (!quoted && text[i] == '\n')
      records.push_back({""});
    else
      field += text[i];
  }
  records.pop_back();
  return records;
}

TEST(Csv, HasTheColumnsOfTheSpecificationFirst) {
  const auto records = read_csv(render_csv(Report{}));
  ASSERT_EQ(records.size(), 1u);
  const std::string expected =
      "step,name,seeds,status,parameters,val_loss_mean,val_loss_sd,delta_mean,delta_ci_low,delta_ci_high,"
      "ms_per_iter,tokens_per_s,peak_tensor_bytes,decode_cache_bytes_per_token,identical_to";
  EXPECT_EQ(join({records[0].begin(), records[0].begin() + 15}, ","), expected);
}

TEST(Csv, HasTheColumnsOfEveryMeasure) {
  const auto header = read_csv(render_csv(Report{}))[0];
  for (std::size_t i = 0; i < measures().size(); ++i)  // losses; others where there are any
    for (const char* end : {"_mean", "_sd"})
      EXPECT_EQ(std::count(header.begin(), header.end(), measures()[i].name + end), i < 2)
          << measures()[i].name;
  EXPECT_EQ(std::count(header.begin(), header.end(), "train_loss_delta"), 0) << "it is not compared";
}

TEST(Csv, LeavesEmptyWhatDoesNotExist) {
  Report report;
  report.rows.resize(1);
  report.rows[0].status = "missing";
  const auto record = read_csv(render_csv(report)).at(1);
  EXPECT_EQ(record[2], "0");
  for (std::size_t i = 4; i < record.size(); ++i) EXPECT_EQ(record[i], "") << "column " << i;
}

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(csv_field("plain text"), "plain text");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field("cr\r"), "\"cr\r\"");
  Report report;
  report.rows.resize(2);
  report.rows[0].status = "blocked: a \"b\", c\nd";
  report.rows[0].identical_to = "no: seed 1, iteration 40";
  const auto records = read_csv(render_csv(report));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1][3], report.rows[0].status);
  EXPECT_EQ(records[1][14], report.rows[0].identical_to);
}

TEST(Csv, KeepsEveryBitOfANumber) {
  const TemporaryFolder root;
  const auto report = ladder_report(root);
  const auto records = read_csv(render_csv(report));
  ASSERT_EQ(records.size(), 7u);
  for (const auto& record : records) EXPECT_EQ(record.size(), records[0].size());
  EXPECT_EQ(parse_real(records[2][5]), report.rows[1].mean(0)->mean);
  EXPECT_EQ(parse_real(records[2][8]), report.rows[1].delta->interval->low);
  EXPECT_EQ(records[1][7], "") << "the baseline has no difference to itself";
  EXPECT_EQ(records[5][14], "2");
  EXPECT_EQ(records[6][14], "3");
}

TEST(TerminalTable, OfALadderFitsIn100Columns) {
  const TemporaryFolder root;
  const auto lines = lines_of(render_terminal(ladder_report(root)));
  ASSERT_GT(lines.size(), 9u);
  for (std::size_t i = 2; i < lines.size(); ++i) EXPECT_LE(display_width(lines[i]), 100u) << lines[i];
  EXPECT_THAT(lines[5],
              HasSubstr("gate        2.4960 ± 0.0030  -0.0100  [-0.0100, -0.0100]  not enough seeds (3"));
  EXPECT_THAT(lines[6], testing::MatchesRegex(" +(of 8\\), )?leans better")) << "the verdict goes on";
  const auto wide = lines_of(render_terminal(ladder_report(root), 200));
  EXPECT_THAT(wide[5], HasSubstr("gate        235.1M  2.4960 ± 0.0030  -0.0100"));
  EXPECT_THAT(wide[5],
              HasSubstr("[-0.0100, -0.0100]  -0.40  <0.0001  not enough seeds (3 of 8), leans better"));
}

TEST(TerminalTable, LeavesColumnsOutBeforeItGetsTooWide) {
  const TemporaryFolder root;
  auto report = ladder_report(root);
  EXPECT_THAT(render_terminal(report), Not(HasSubstr("%  verdict"))) << "the percentage goes first";
  for (auto& row : report.rows) row.verdict.reset();
  EXPECT_THAT(lines_of(render_terminal(report))[5], HasSubstr("[-0.0100, -0.0100]  -0.40"));
  for (auto& row : report.rows) row.name = "mla, params of 2, and a long name besides";
  for (const auto& line : lines_of(render_terminal(report))) EXPECT_LE(display_width(line), 100u) << line;
  EXPECT_THAT(render_terminal(report), HasSubstr("-0.0100"));
}

TEST(TerminalTable, FitsAnyTerminal) {
  const TemporaryFolder root;
  auto report = ladder_report(root);
  report.folder = "results/a";
  for (const std::size_t width : {40, 60, 80, 140})
    for (const auto& line : lines_of(render_terminal(report, width)))
      EXPECT_LE(display_width(line), width) << line;
}

TEST(TerminalTable, KeepsAFindingOnOneLineForAPipe) {
  EXPECT_EQ(finding_line("one two three", 0, 2), "  one two three\n");
  EXPECT_EQ(finding_line("one two three", 11, 2), "  one two\n    three\n");
}

TEST(TerminalTable, HasWhatStepsCostBelow) {
  const TemporaryFolder root;
  const auto text = render_terminal(ladder_report(root));
  EXPECT_THAT(text, HasSubstr("peak  cache/token  at equal FLOPs\n"));
  EXPECT_THAT(text, HasSubstr("1.0 MiB        320 B  -0.0100 (both at 20)\n"));
  EXPECT_THAT(render_terminal(ladder_report(root), 140), HasSubstr("at equal FLOPs        at equal time\n"));
  EXPECT_THAT(text, Not(HasSubstr("(rerun)")));
}

TEST(TerminalTable, AlignsByCharactersNotBytes) {
  EXPECT_EQ(display_width("2.5 ± 0.1"), 9u);
  const TextTable table{
      {"a", "loss", "x"}, {false, false, true}, {{"one", "2 ± 1", "1"}, {"two", "12345", "22"}}};
  EXPECT_EQ(aligned(table),
            "a    loss    x\n"
            "---  -----  --\n"
            "one  2 ± 1   1\n"
            "two  12345  22\n");
}

TEST(TerminalTable, BreaksTextBeforeItGetsTooWide) {
  const TextTable table{{"step", "what was found", "x"},
                        {true, false, true},
                        {{"1", "one two three four", "5"}, {"2", "a-word-that-is-too-long", "6"}}};
  EXPECT_EQ(aligned(table, 21),
            "step  what was      x\n"
            "      found\n"
            "----  ------------  -\n"
            "   1  one two       5\n"
            "      three four\n"
            "   2  a-word-that-  6\n"
            "      is-too-long\n");
}

TEST(TerminalTable, SetsColumnsInSeveralTablesWhereTheyDoNotFit) {
  const TextTable table{
      {"part", "1", "2", "3"}, {false, true, true, true}, {{"mlp", "1,000", "2,000", "3,000"}}};
  EXPECT_EQ(aligned(table, 20),
            "part      1      2\n"
            "----  -----  -----\n"
            "mlp   1,000  2,000\n"
            "\n"
            "part      3\n"
            "----  -----\n"
            "mlp   3,000\n");
  EXPECT_EQ(aligned(table).find("\n\n"), std::string::npos);
}

TEST(TerminalTable, NamesUnfinishedStepsBelow) {
  Report report;
  report.rows.resize(2);
  report.rows[0].status = "done";
  report.rows[1].step = 1, report.rows[1].name = "gate",
  report.rows[1].status = "partial (2 of 3): 1 diverged";
  const auto text = render_terminal(report);
  EXPECT_THAT(text, HasSubstr("step 1 (gate): partial (2 of 3): 1 diverged\n"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("val loss"))) << "a column without a number is left out";
}

TEST(TerminalTable, SaysInFullWhatIsNotEqual) {
  Report report;
  report.rows.resize(3);
  for (auto& row : report.rows) row.status = "done", row.rerun_of = 2;
  report.rows[0].identical_to = "2";
  report.rows[1].step = 4, report.rows[1].name = "gate",
  report.rows[1].identical_to = "no: seed 1, iteration 40";
  report.rows[2].identical_to = "step 2 was not run";
  const auto text = render_terminal(report);
  EXPECT_THAT(text, HasSubstr("step 4 (gate): equal to step 2? no: seed 1, iteration 40\n"));
  EXPECT_THAT(text, HasSubstr("equal to step 2? step 2 was not run\n"));
  EXPECT_THAT(text, HasSubstr("  NO\n"));
  EXPECT_THAT(text, Not(HasSubstr("equal to step 2? 2")));
}

TEST(TerminalTable, WrapsItsNotes) {
  Report report;
  std::string note;
  for (int i = 0; i < 60; ++i) note += str("word", i, " ± ");
  report.notes = {note};
  for (const auto& line : lines_of(render_terminal(report))) EXPECT_LE(display_width(line), 100u) << line;
}

TEST(Markdown, ShowsEachTrialsProcessTimeAndFiles) {
  const TemporaryFolder root;
  const auto text = render_markdown(ladder_report(root));
  EXPECT_THAT(text,
              HasSubstr("| 4 | gate+cross (rerun) | 2 | done | 2.466000 | 12 s | 1042 | here | 1 | 1 | 0 |"));
  EXPECT_THAT(text, HasSubstr("| trials/step0-arm0.seed1.0123456789ab |"));
  EXPECT_THAT(text, HasSubstr("235,137,792"));
}

TEST(Markdown, EscapesWhatWouldBreakATable) {
  Report report;
  report.rows.resize(1);
  report.rows[0].status = "failed: a|b\nc";
  EXPECT_THAT(render_markdown(report), HasSubstr("failed: a\\|b c |"));
}

TEST(WriteReport, WritesBothFiles) {
  const TemporaryFolder root;
  const auto report = ladder_report(root);
  const ExperimentFolder folder(root.path());
  write_report(folder, report);
  EXPECT_EQ(read_text(folder.report_csv()), render_csv(report));
  EXPECT_EQ(read_text(folder.report_markdown()), render_markdown(report));
}

}  // namespace
}  // namespace kablate
