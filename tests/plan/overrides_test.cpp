#include <gtest/gtest.h>

#include "plan/plan.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

// A plan whose steps both set the gate, and of which step 1 alone sets the latent width.
const std::string kPlan =
    "name: p\nbaseline: 0\nsteps:\n"
    "  0: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n"
    "  1: {set: {RA_MLA_MLP_ATTN_GATE: y, RA_MLA_LATENT_DIM: 16}}\n";

// The notes of the plan on `given` (origin, assignment).
std::vector<std::string> notes(const std::vector<std::pair<const char*, const char*>>& given,
                               const char* steps = "") {
  const TemporaryFolder folder;
  folder.write("p.yaml", kPlan);
  auto settings = Settings::defaults();
  settings.set("ABLATION_PLAN", "p", "test");
  for (const auto& [origin, assignment] : given) settings.set_assignment(assignment, origin);
  settings.set("RA_MLA_ABLATION_STEPS", steps, "--steps");
  std::vector<std::string> result;
  for (const auto& note : make_plan(settings, folder.path()).notes)
    if (note.find("ABLATION_PLAN") == std::string::npos) result.push_back(note);
  return result;
}

TEST(Overrides, OnTheCommandLineThatEveryStepSetsItselfAreAnError) {
  expect_error(
      [] {
        notes({{"--set", "RA_MLA_MLP_ATTN_GATE=n"}});
      },
      {"--set: RA_MLA_MLP_ATTN_GATE = \"n\"", "no selected step", "steps 0, 1"});
  expect_error([] { notes({{"--set", "RA_MLA_LATENT_DIM=32"}}, "1"); }, {"RA_MLA_LATENT_DIM", "step 1"});
}

TEST(Overrides, ThatSomeStepsKeepAreNamedInOneLine) {
  EXPECT_EQ(
      notes({{"--set", "RA_MLA_LATENT_DIM=32"}, {".config", "RA_MLA_MLP_ATTN_GATE=n"}}),
      (std::vector<std::string>{"set otherwise by the plan: --set: RA_MLA_LATENT_DIM = \"32\" in step 1; "
                                ".config: RA_MLA_MLP_ATTN_GATE = \"n\" in step 1"}))
      << "step 0 sets the same";
  EXPECT_EQ(notes({{"--set", "RA_MLA_LATENT_DIM=32"}}, "0"), std::vector<std::string>{});
  EXPECT_EQ(notes({{".config", "RA_MLA_MLP_ATTN_GATE=y"}}), std::vector<std::string>{}) << "the menu's own";
}

TEST(Overrides, ThatNothingReadsAreAnErrorOnTheCommandLineAndANoteInAFile) {
  expect_error(
      [] {
        notes({{"--set", "DATA_PATH=x.txt"}});
      },
      {"DATA_PATH = \"x.txt\"", "nothing reads it in steps 0, 1", "set DATASET = text or bin"});
  expect_error(
      [] {
        notes({{"--set", "RA_MLA_MLP_GATE_DIM=8"}}, "0");
      },
      {"nothing reads it in step 0", "select one that does: step 1"});
  EXPECT_EQ(notes({{".config", "DATA_PATH=x.txt"}, {"c:7", "RA_MLA_RA_WINDOW=8"}}),
            (std::vector<std::string>{"read by no selected step: c:7: RA_MLA_RA_WINDOW = \"8\"; "
                                      ".config: DATA_PATH = \"x.txt\""}));
  EXPECT_EQ(notes({{"--set", "RA_MLA_MLP_GATE_DIM=8"}}), std::vector<std::string>{}) << "step 1 reads it";
  EXPECT_EQ(notes({{"--set", "DATA_PATH=x.txt"}, {"--set", "DATASET=text"}}), std::vector<std::string>{});
}

}  // namespace
}  // namespace kablate
