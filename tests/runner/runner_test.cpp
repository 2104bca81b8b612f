// What the runner decides, without a trial being trained.
#include "runner/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "measure/machine.h"
#include "record/claim.h"
#include "runner/lookout.h"
#include "runner/retrain.h"
#include "runner/trial_command.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using Action = TrialDecision::Action;
namespace fs = std::filesystem;

struct Place {
  Place() {
    trial.step = 1, trial.name = "gate", trial.seed = 1, trial.key = std::string(64, 'a');
    trial.config = testing_support::small_config();
  }
  TrialDecision decision() const { return decide(experiment, trial); }
  TrialFolder files() const {
    return experiment.trial({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
  }
  TemporaryFolder root;
  ExperimentFolder experiment{root.path()};
  Trial trial;
};

TEST(Decide, SkipsAFinishedTrialWhoseFilesAreWhole) {
  const Place place;
  EXPECT_EQ(place.decision().action, Action::kRun);
  testing_support::finish(place.files(), 1, 1, 3);
  EXPECT_EQ(place.decision().action, Action::kSkip);
  for (const auto& file : {place.files().weights(), place.files().metrics(), place.files().summary()}) {
    const auto whole = read_text(file);
    write_file(file, whole + " ");
    const auto decision = place.decision();
    EXPECT_EQ(decision.action, Action::kRun);
    EXPECT_THAT(decision.reason, HasSubstr(file.filename().string()));
    EXPECT_THAT(decision.reason, HasSubstr("trained again"));
    write_file(file, whole);
  }
}

TEST(Decide, TellsADivergedTrialFromAFinishedOne) {
  const Place place;
  fs::create_directories(place.files().path());
  write_failure(place.files(),
                {.status = "diverged", .reason = "no number", .exit_code = {}, .signal = {}, .log_tail = ""});
  EXPECT_EQ(place.decision().action, Action::kDiverged);
  EXPECT_EQ(place.decision().reason, "no number") << "what to do about it is the caller's to say";
}

TEST(Lookout, LooksAtAnothersTrialNowAndThen) {
  Lookout lookout;
  const TrialFolder own("own"), foreign("foreign"), free("free");
  const auto start = Lookout::Clock::now();
  EXPECT_TRUE(lookout.due(own, start));
  EXPECT_TRUE(lookout.held(own, host_name(), start)) << "said once";
  EXPECT_FALSE(lookout.held(own, host_name(), start));
  EXPECT_TRUE(lookout.held(foreign, "elsewhere", start));
  const auto looks = [&](const TrialFolder& folder, std::chrono::milliseconds during) {
    int count = 0;  // as the runner asks: every 50 ms
    for (auto at = start; at < start + during; at += std::chrono::milliseconds(50))
      if (lookout.due(folder, at)) {
        ++count;
        lookout.held(folder, &folder == &own ? host_name() : "elsewhere", at);
      }
    return count;
  };
  EXPECT_LE(looks(foreign, std::chrono::seconds(60)), 12);
  EXPECT_GE(looks(own, std::chrono::seconds(60)), 100) << "it is taken over soon";
  EXPECT_EQ(looks(free, std::chrono::milliseconds(50)), 1);
}

TEST(Launcher, IsNoneForOneRank) {
  EXPECT_TRUE(launch_of_ranks(Launcher::kMpirun, 1).words.empty());
  EXPECT_TRUE(launch_of_ranks(Launcher::kSrun, 1).words.empty());
}

TEST(LastWords, AreOfTheRankThatWasKilledOrOfTheProgramBeforeTheLaunchersOwn) {
  const std::string failed =
      "kablate: iteration 5\nkablate: the disk is full\n----\nmpirun detected that …\n----\n";
  EXPECT_EQ(last_words(failed, 2), "the disk is full");
  EXPECT_EQ(last_words("kablate: the disk is full\n", 1), "the disk is full");
  EXPECT_EQ(last_words("kablate: iteration 5\nterminate called\n", 1), "terminate called");
  const std::string killed =
      failed + "mpirun noticed that process rank 1 with PID 7 exited on signal 9 (Killed).\n--";
  EXPECT_EQ(last_words(killed, 2),
            "mpirun noticed that process rank 1 with PID 7 exited on signal 9 (Killed).");
  const std::string cut =
      failed + "  HNP daemon   : [[1,0],0] on node a\n  Remote daemon: [[1,0],1] on node b.c\n--";
  EXPECT_EQ(last_words(cut, 2), "the connection to b.c, where ranks run, was lost");
  EXPECT_EQ(last_words("mpirun was unable to start\n", 2), "mpirun was unable to start");
  const std::string by_srun =
      "kablate: a warning\nsrun: error: n1: task 1: Killed\nsrun: First task exited 25s ago\n"
      "srun: error: n1: task 0: Killed\n";
  EXPECT_EQ(last_words(by_srun, 2), "n1: task 1: Killed");
  EXPECT_EQ(last_words("kablate: the disk is full\nsrun: error: n1: task 0: Exited with exit code 1\n", 2),
            "the disk is full");
}

TEST(WasStopped, AlsoWhereALauncherSaysSo) {
  EXPECT_TRUE(was_stopped({.code = kExitInterrupted, .signal = {}, .output = ""}, 1));
  EXPECT_TRUE(was_stopped({.code = {}, .signal = SIGTERM, .output = ""}, 1));
  EXPECT_TRUE(was_stopped({.code = 128 + SIGUSR1, .signal = {}, .output = ""}, 2));
  EXPECT_FALSE(was_stopped({.code = 128 + SIGKILL, .signal = {}, .output = ""}, 2));
  EXPECT_FALSE(was_stopped({.code = 1, .signal = {}, .output = ""}, 2));
}

TEST(WasStopped, BelievesTheFirstRankAndNotItsLaunchersExitCode) {
  const std::string words = "kablate: stopped by a signal; the same command goes on from here\n";
  EXPECT_TRUE(was_stopped(
      {.code = 1, .signal = {}, .output = words + "srun: error: n1: task 0: Exited with exit code 3\n"}, 2));
  EXPECT_FALSE(was_stopped({.code = 1, .signal = {}, .output = words}, 1));
  EXPECT_FALSE(
      was_stopped({.code = 1, .signal = {}, .output = words + "srun: error: n1: task 1: Killed\n"}, 2));
}

TEST(TrialCommand, IsReadBackAsItWasBuilt) {
  const TrialOrder order{.step = 2,
                         .seed = 3,
                         .rerun_index = 1,
                         .name = "gate+cross",
                         .key = "abc",
                         .threads = 4,
                         .ranks = 8,
                         .beside = 5,
                         .device = "cuda",
                         .data_folder = "/data of mine",
                         .source_folder = {},
                         .begun_in = "/another folder",
                         .build = {}};
  auto words = trial_arguments(TrialFolder("/a folder"), order);
  ASSERT_EQ(words.front(), "trial");
  words.erase(words.begin());
  std::string folder;
  const auto back = parse_trial_arguments(words, folder);
  EXPECT_EQ(folder, "/a folder");
  EXPECT_EQ(std::tie(back.step, back.seed, back.rerun_index, back.name, back.key, back.threads, back.ranks,
                     back.beside),
            std::tie(order.step, order.seed, order.rerun_index, order.name, order.key, order.threads,
                     order.ranks, order.beside));
  EXPECT_EQ(back.device, order.device);
  EXPECT_EQ(back.data_folder, order.data_folder);
  EXPECT_EQ(back.begun_in, order.begun_in);
  words[2] = "two";
  testing_support::expect_error([&] { parse_trial_arguments(words, folder); }, {"--step = \"two\""});
  testing_support::expect_error([&] { parse_trial_arguments({}, folder); }, {"kablate run"});
}

// A folder for one process, in TMPDIR.
class Scratch : public testing::Test {
 protected:
  Scratch() { ::setenv("TMPDIR", root.path().c_str(), 1); }
  ~Scratch() override { ::unsetenv("TMPDIR"); }
  std::size_t folders() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(root.path())) count += entry.is_directory();
    return count;
  }
  // Leaves one as a process does that is killed.
  static void leave() {
    const auto pid = ::fork();
    if (pid == 0) {
      new ScratchFolder();
      ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
  }
  TemporaryFolder root;
};

TEST_F(Scratch, IsRemovedAtTheEndUnlessKept) {
  {
    const ScratchFolder scratch;
    EXPECT_EQ(folders(), 1u);
  }
  EXPECT_EQ(folders(), 0u);
  {
    ScratchFolder scratch;
    scratch.keep();
  }
  EXPECT_EQ(folders(), 1u);
  { const ScratchFolder scratch; }
  EXPECT_EQ(folders(), 1u) << "what was kept stays";
}

TEST_F(Scratch, OfAKilledProcessIsRemovedByTheNext) {
  fs::create_directories(root.path() / "kablate-of-someone-else");
  leave();
  leave();
  EXPECT_LE(folders(), 3u);
  const ScratchFolder mine;
  EXPECT_EQ(folders(), 2u) << "the one just made, and what is not ours";
  const ScratchFolder other;
  EXPECT_EQ(folders(), 3u) << "a live process's stays";
}

}  // namespace
}  // namespace kablate
