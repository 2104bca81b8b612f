// A trial and its files in one process: what it goes on from, and what it refuses to.
#include "train/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "record/done.h"
#include "record/reader.h"
#include "record/seal.h"
#include "record/writer.h"
#include "support/core/expect_error.h"
#include "support/engine/small_trial.h"
#include "train/trial_files.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::SmallTrial;
namespace fs = std::filesystem;

// A trial that was stopped after `updates`, with a checkpoint after each of `saved`.
class StoppedTrial : public testing::Test {
 protected:
  // As TrialLoop does it, without its clock.
  void train(const TrialFolder& folder, std::int64_t updates, const std::vector<std::int64_t>& saved) {
    const auto claim = Claim::acquire(folder);
    write_trial_start(folder, trial.config, "key\n", {});
    Trainer trainer(trial.config, 1, trial.data);
    TrialFiles files(folder, *claim, trial.order().key, "A");
    files.resume(trainer);
    while (trainer.iteration() < updates) {
      const Update update = trainer.update();
      if (update.due) files.append(update.row);
      files.mark_iteration();
      if (std::find(saved.begin(), saved.end(), trainer.iteration()) != saved.end())
        files.save(trainer.state(), {});
    }
  }

  // Where a process that starts now goes on; the log then holds the rows before it.
  std::int64_t goes_on_at(const TrialFolder& folder) {
    const auto claim = Claim::acquire(folder);
    Trainer trainer(trial.config, 1, trial.data);
    TrialFiles files(folder, *claim, trial.order().key, "A");
    files.resume(trainer);
    std::vector<std::int64_t> rows;
    for (const auto& row : read_metrics(folder)) rows.push_back(iteration_of(row));
    std::vector<std::int64_t> expected;
    for (std::int64_t i = 0; i < trainer.iteration(); i += 2) expected.push_back(i);
    EXPECT_EQ(rows, expected);
    return trainer.iteration();
  }

  // A copy of the stopped trial, for a test to damage.
  TrialFolder copy() {
    const TrialFolder folder(trial.path() / str("copy", ++copies_));
    fs::copy(stopped.path(), folder.path(), fs::copy_options::recursive);
    return folder;
  }
  static void flip(const fs::path& path, std::size_t at, int bit) {
    auto text = read_text(path);
    text[at] = static_cast<char>(text[at] ^ (1 << bit));
    write_file(path, text);
  }

  SmallTrial trial;
  TrialFolder stopped{trial.path() / "stopped"};

 private:
  int copies_ = 0;
};

TEST_F(StoppedTrial, GoesOnFromTheLatestCheckpoint) {
  train(stopped, 8, {4, 7});
  EXPECT_EQ(goes_on_at(copy()), 7);
}

TEST_F(StoppedTrial, BelievesNoBitOfAManifestThatWasChanged) {
  train(stopped, 8, {4, 7});
  const auto folder = copy();
  const auto manifest = folder.checkpoint() / "7" / "manifest.json";
  const auto whole = read_text(manifest);
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    flip(manifest, at, static_cast<int>(at % 8));
    const auto log = read_text(folder.metrics());
    EXPECT_EQ(goes_on_at(folder), 4) << "at " << at;
    write_file(folder.metrics(), log);
    write_file(manifest, whole);
  }
  EXPECT_EQ(goes_on_at(folder), 7);
}

// Sealed anew, as another program might: each value is checked for itself.
TEST_F(StoppedTrial, BelievesNoManifestOfAnotherPlace) {
  train(stopped, 8, {4, 7});
  const auto with = [&](const char* key, const Json& value) {
    const auto folder = copy();
    const auto manifest = folder.checkpoint() / "7" / "manifest.json";
    Json json = read_sealed(manifest);
    json[key] = value;
    write_file(manifest, sealed_text(json));
    return goes_on_at(folder);
  };
  EXPECT_EQ(with("iteration", 7), 7);
  EXPECT_EQ(with("iteration", 4), 4) << "another than the folder's";
  EXPECT_EQ(with("iteration", -3), 4);
  EXPECT_EQ(with("spikes", -1), 4);
  EXPECT_EQ(with("train_seconds", -1.5), 4);
  EXPECT_EQ(with("key", std::string(64, '0')), 4) << "another trial's";
  EXPECT_EQ(with("log_rows", 3), 4);
  EXPECT_EQ(with("tokens", "ff"), 4);
}

TEST_F(StoppedTrial, RefusesACheckpointOfAnotherModel) {
  train(stopped, 8, {4, 7});
  const SmallTrial wider(Deltas{{"GPT2_N_EMBD", "32"}});
  const auto folder = copy();
  const auto claim = Claim::acquire(folder);
  Trainer trainer(wider.config, 1, wider.data);
  TrialFiles files(folder, *claim, trial.order().key, "A");
  files.resume(trainer);
  EXPECT_EQ(trainer.iteration(), 0);
  EXPECT_TRUE(read_metrics(folder).empty()) << "both begin again";
}

TEST_F(StoppedTrial, BelievesTensorsWithTheirSumsOnly) {
  train(stopped, 8, {4, 7});
  for (const auto* file : {"weights.safetensors", "state.safetensors"}) {
    const auto folder = copy();
    flip(folder.checkpoint() / "7" / file, 1000, 3);
    EXPECT_EQ(goes_on_at(folder), 4) << file;
    fs::remove(folder.checkpoint() / "7" / file);
    EXPECT_EQ(goes_on_at(folder), 4) << file << " is missing";
  }
}

TEST_F(StoppedTrial, GoesBackToWhereItsLogIsWhole) {
  train(stopped, 8, {4, 7});
  const auto text = read_text(stopped.metrics());
  const auto line = [&](std::size_t number) {  // where it begins
    std::size_t at = 0;
    for (std::size_t i = 0; i < number; ++i) at = text.find('\n', at) + 1;
    return at;
  };
  const auto with = [&](const std::string& log) {
    const auto folder = copy();
    write_file(folder.metrics(), log);
    return goes_on_at(folder);
  };
  auto behind = text, between = text, before = text;  // rows 0, 2 | 4, 6 | none
  behind += "{\"kind\": \"tra";
  between[line(3) + 1] = '!';
  before[line(1)] = '[';
  EXPECT_EQ(with(behind), 7);
  EXPECT_EQ(with(between), 4);
  EXPECT_EQ(with(before), 0);
  EXPECT_EQ(with(text.substr(0, line(2))), 4) << "cut";
  EXPECT_EQ(with(""), 0) << "emptied";
}

// Its numbers are of both; what environment.json says in between doesn't matter.
TEST_F(StoppedTrial, SaysWhichArithmeticMadeIt) {
  const auto gone_on_with = [&](const TrialFolder& folder, const std::string& arithmetic) {
    const auto claim = Claim::acquire(folder);
    Trainer trainer(trial.config, 1, trial.data);
    TrialFiles files(folder, *claim, trial.order().key, arithmetic);
    files.resume(trainer);
    EXPECT_GT(trainer.iteration(), 0);
    static_cast<void>(trainer.update());
    files.mark_iteration();
    files.save(trainer.state(), {});
    return files.arithmetic();
  };
  train(stopped, 4, {2, 4});
  const auto folder = copy();
  fs::remove(folder.environment());
  EXPECT_EQ(gone_on_with(folder, "A"), "A");
  EXPECT_EQ(gone_on_with(folder, "B"), "A+B");
  EXPECT_EQ(gone_on_with(folder, "B"), "A+B");
  EXPECT_EQ(gone_on_with(folder, "A"), "A+B+A");
}

TEST_F(StoppedTrial, WritesNothingOnceItsClaimIsLost) {
  const auto claim = Claim::acquire(stopped);
  write_trial_start(stopped, trial.config, "key\n", {});
  Trainer trainer(trial.config, 1, trial.data);
  TrialFiles files(stopped, *claim, trial.order().key, "A");
  files.resume(trainer);
  fs::remove(stopped.path() / "claim.1");
  EXPECT_THROW(files.save(trainer.state(), {}), WorkError);
  EXPECT_THROW(files.write_weights(trainer), WorkError);
  EXPECT_THROW(files.finish({}), WorkError);
  EXPECT_THROW(files.fail({}), WorkError);
  EXPECT_FALSE(fs::exists(stopped.checkpoint()) || fs::exists(stopped.summary()) ||
               fs::exists(stopped.failure()));
}

class WholeTrial : public testing::Test {
 protected:
  std::string weights_of(const TrialFolder& folder) { return finished(folder)->weights_sha256; }
  SmallTrial trial;
  TrialFolder folder{trial.path() / "trial"};
};

TEST_F(WholeTrial, LeavesWhatDoneLists) {
  EXPECT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
  ASSERT_TRUE(finished_and_whole(folder));
  EXPECT_EQ(full_dotconfig(read_trial_config(folder).bind()), full_dotconfig(trial.config));
  EXPECT_EQ(finished(folder)->metrics_sha256, hex(sha256(read_text(folder.metrics()))));
  EXPECT_FALSE(fs::exists(folder.checkpoint()));
  std::vector<std::int64_t> trained, evaluated;
  for (const auto& row : read_metrics(folder)) {
    if (std::holds_alternative<TrainRow>(row)) trained.push_back(iteration_of(row));
    if (std::holds_alternative<EvaluationRow>(row)) evaluated.push_back(iteration_of(row));
  }
  EXPECT_THAT(trained, ElementsAre(0, 2, 4, 6, 8, 10, 11));
  EXPECT_THAT(evaluated, ElementsAre(5, 10, 12));
}

TEST_F(WholeTrial, IsNotTrainedAgainUnlessItIsDamaged) {
  run_trial(folder, trial.order(), trial.config);
  const auto weights = read_text(folder.weights());
  const auto stamp = fs::last_write_time(folder.summary());
  run_trial(folder, trial.order(), trial.config);
  EXPECT_EQ(fs::last_write_time(folder.summary()), stamp) << "it was finished";
  auto damaged = weights;
  damaged[damaged.size() - 9] = static_cast<char>(damaged[damaged.size() - 9] ^ 1);
  write_file(folder.weights(), damaged);
  EXPECT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
  EXPECT_EQ(read_text(folder.weights()), weights);
  EXPECT_THAT(read_text(folder.log()), HasSubstr("trained again, since it was damaged: weights.safetensors"));
}

TEST_F(WholeTrial, IsTrainedAgainWhicheverOfItsFilesIsDamaged) {
  run_trial(folder, trial.order(), trial.config);
  const auto weights = read_text(folder.weights());
  for (const auto& path : {folder.done(), folder.environment(), folder.summary(), folder.key()})
    for (const std::string& text : {std::string(), read_text(path).substr(1)}) {
      SCOPED_TRACE(path.string() + " of " + std::to_string(text.size()) + " bytes");
      write_file(path, text);
      EXPECT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
      EXPECT_EQ(read_text(folder.weights()), weights);
    }
}

TEST_F(WholeTrial, GivesWhatItsTrainerGivesInMemory) {
  run_trial(folder, trial.order(), trial.config);
  Trainer trainer(trial.config, 1, trial.data);
  std::vector<Json> log;
  while (true) {
    if (trainer.evaluation_due()) {
      log.push_back(without_clock(trainer.evaluate()));
      for (const auto& row : trainer.observe()) log.push_back(without_clock(row));
    }
    if (trainer.done()) break;
    if (const Update update = trainer.update(); update.due) log.push_back(without_clock(update.row));
  }
  EXPECT_EQ(loss_log(read_metrics(folder)), log);
}

TEST_F(WholeTrial, OfAnotherKeyIsRefused) {
  auto order = trial.order();
  order.key = std::string(64, '0');
  testing_support::expect_error<WorkError>([&] { run_trial(folder, order, trial.config); },
                                           {"key is not the planned one"});
}

}  // namespace
}  // namespace kablate
