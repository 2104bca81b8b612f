#include "record/done.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/checked_files.h"
#include "record/reader.h"
#include "support/core/expect_error.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::expect_error;
using testing_support::finish;
namespace fs = std::filesystem;

struct Finished {
  Finished() { finish(folder, 0, 1, 3); }
  TemporaryFolder root;
  ExperimentFolder experiment{root.path()};
  TrialFolder folder = experiment.trial("step0-arm0.seed1.0123456789ab");
};

TEST(Done, ListsEveryFileOfTheTrial) {
  const Finished f;
  std::vector<std::string> there;
  for (const auto& entry : fs::directory_iterator(f.folder.path()))
    if (entry.path() != f.folder.done()) there.push_back(entry.path().filename());
  std::vector<std::string> listed;
  const auto done = DoneList::read(f.folder);
  for (const auto& [name, sum] : done->files()) {
    listed.push_back(name);
    EXPECT_EQ(sum, hex(sha256(read_text(f.folder.path() / name)))) << name;
  }
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(there));
  EXPECT_THAT(damaged_files(f.folder), IsEmpty());
}

TEST(Done, MissesNoBitOfAnyFile) {
  const Finished f;
  const auto done = DoneList::read(f.folder);
  for (const auto& [name, sum] : done->files()) {
    const auto path = f.folder.path() / name;
    const auto whole = read_text(path);
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 20) {
      auto text = whole;
      text[at] = static_cast<char>(text[at] ^ (1 << at % 8));
      write_file(path, text);
      EXPECT_THROW(read_checked(f.folder, path), FileFault) << name << " at " << at;
      EXPECT_THAT(damaged_files(f.folder), ElementsAre(HasSubstr(name))) << " at " << at;
      EXPECT_FALSE(finished_and_whole(f.folder));
    }
    write_file(path, whole);
  }
  EXPECT_TRUE(finished_and_whole(f.folder));
}

TEST(Done, IsBelievedToTheByteOrNotAtAll) {
  const Finished f;
  const auto whole = read_text(f.folder.done());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto text = whole;
    text[at] = static_cast<char>(text[at] ^ 4);
    write_file(f.folder.done(), text);
    EXPECT_FALSE(finished_and_whole(f.folder)) << at;
    write_file(f.folder.done(), whole.substr(0, at));
    EXPECT_FALSE(finished_and_whole(f.folder)) << "cut at " << at;
  }
}

TEST(Done, OfAnotherFormatIsNamed) {
  const Finished f;
  write_file(f.folder.done(), std::string(64, 'a') + "\n");
  expect_error<FileFault>([&] { DoneList::read(f.folder); }, {"DONE", "earlier version"});
  write_file(f.folder.done(), "# kablate trial 3\n");
  expect_error<FileFault>([&] { DoneList::read(f.folder); }, {"DONE", "format 3"});
}

TEST(ReadChecked, OfAnUnfinishedTrialGivesWhatStandsThere) {
  const Finished f;
  fs::remove(f.folder.done());
  write_file(f.folder.key(), "another");
  EXPECT_EQ(read_checked(f.folder, f.folder.key()), "another");
  EXPECT_NO_THROW(check_file(f.folder, f.folder.weights()));
  EXPECT_THROW(read_checked(f.folder, f.folder.path() / "none"), FileFault);
}

TEST(WriteTrialStart, MakesATrialUnfinished) {
  const Finished f;
  write_trial_start(f.folder, testing_support::small_config(), "key\n", {});
  EXPECT_FALSE(fs::exists(f.folder.done())) << "what is trained again must not look finished on the way";
}

// Large files are not read again while size and times stand.
TEST(CheckedFiles, AreRememberedUntilTheyChange) {
  const Finished f;
  const auto large = f.folder.weights();
  const auto write = [&](const std::string& text) {
    write_file(large, text);
    EXPECT_EQ(remembered_sha256(large), hex(sha256(text))) << "fresh: read as it is";
    fs::last_write_time(large, fs::file_time_type::clock::now() - std::chrono::hours(1));
    EXPECT_EQ(remembered_sha256(large), hex(sha256(text)));
    return hex(sha256(text));
  };
  std::string content(kRememberedBytes, 'w');
  const auto sum = write(content);
  testing_support::finish_again(f.folder, *finished(f.folder));
  keep_checked();
  EXPECT_NE(read_text(f.experiment.checked()).find(sum), std::string::npos);
  EXPECT_THAT(damaged_files(f.folder), IsEmpty());
  content[1000] = 'v';
  const auto changed = write(content);
  EXPECT_THAT(damaged_files(f.folder), ElementsAre(HasSubstr("weights.safetensors")));
  keep_checked();
  EXPECT_NE(read_text(f.experiment.checked()).find(changed), std::string::npos);
}

// One after the other at once: they are not written each by itself.
TEST(CheckedFiles, StandInTheFileAllTogetherWhenKept) {
  const TemporaryFolder root;
  const ExperimentFolder experiment(root.path());
  std::vector<fs::path> files;
  for (int i = 0; i < 8; ++i) {
    root.write("trials/step" + std::to_string(i) + "-a.seed1.0123456789ab/weights.safetensors",
               std::string(kRememberedBytes, static_cast<char>('a' + i)));
    files.push_back(experiment.trial("step" + std::to_string(i) + "-a.seed1.0123456789ab").weights());
    fs::last_write_time(files.back(), fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  std::vector<std::string> sums;
  for (const auto& file : files) sums.push_back(remembered_sha256(file));
  keep_checked();
  const auto text = read_text(experiment.checked());
  for (const auto& sum : sums) EXPECT_NE(text.find(sum), std::string::npos);
}

}  // namespace
}  // namespace kablate
