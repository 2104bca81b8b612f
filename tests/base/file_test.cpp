#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// While it lives, no file of this process can grow past `bytes`: a disk that fills.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit before_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(WriteFile, RoundTripsAnyBytesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  for (const std::string& content :
       {std::string(), std::string("x\0\xFF\r\n", 5), std::string(3 << 20, 'y')}) {
    write_file(path, content);
    EXPECT_TRUE(read_text(path) == content) << content.size();
    EXPECT_EQ(entries(folder.path()), 1u);
  }
}

TEST(WriteFile, PutsPiecesOneAfterTheOther) {
  const TemporaryFolder folder;
  const std::array<std::string_view, 4> pieces{"ab", "", "c", std::string_view("\0d", 2)};
  write_file(folder.path() / "a", pieces);
  EXPECT_EQ(read_text(folder.path() / "a"), std::string("abc\0d", 5));
}

TEST(WriteFile, LeavesTheOldFileWhenTheDiskFills) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  write_file(path, "old");
  {
    const FileSizeLimit full(4096);
    const auto message = message_of<WorkError>([&] { write_file(path, std::string(10000, 'n')); });
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, NamesAPathThatCantBeWritten) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_file(folder.path() / "none" / "a", "x"), WorkError);
  fs::create_directory(folder.path() / "taken");
  EXPECT_THROW(write_file(folder.path() / "taken", "x"), WorkError);
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFileIfChanged, KeepsTheTimeOfAFileWithThisContent) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "same");
  const auto long_ago = fs::last_write_time(path) - std::chrono::hours(1);
  fs::last_write_time(path, long_ago);
  write_file_if_changed(path, "same");
  EXPECT_EQ(fs::last_write_time(path), long_ago);
  write_file_if_changed(path, "other");
  EXPECT_GT(fs::last_write_time(path), long_ago);
  EXPECT_EQ(read_text(path), "other");
}

TEST(ReadText, RefusesWhatIsNoReadableFile) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder.path() / "loop");
  // Opening works, reading does not.
  const fs::path unreadable = "/proc/self/mem";
  for (const auto& path : {folder.path() / "none", folder.path() / "loop", folder.path(), unreadable}) {
    const auto message = message_of<UserError>([&] { read_text(path); });
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }
}

TEST(MakeWritableFolder, MakesParentsAndLeavesNoProbe) {
  const TemporaryFolder folder;
  make_writable_folder(folder.path() / "a" / "b");
  make_writable_folder(folder.path() / "a" / "b");
  EXPECT_EQ(entries(folder.path() / "a" / "b"), 0u);
}

TEST(MakeWritableFolder, SaysWhatToDoWhereItCant) {
  const TemporaryFolder folder;
  const auto file = folder.write("file", "x");
  for (const auto& path : {file, file / "below", fs::path("/proc/kablate")}) {
    const auto message = message_of<UserError>([&] { make_writable_folder(path); });
    EXPECT_NE(message.find("--results"), std::string::npos) << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  }
}

TEST(RenameDurably, ReplacesATarget) {
  const TemporaryFolder folder;
  const auto from = folder.write("from", "new"), to = folder.write("to", "old");
  rename_durably(from, to);
  EXPECT_EQ(read_text(to), "new");
  EXPECT_FALSE(fs::exists(from));
  EXPECT_THROW(rename_durably(from, to), WorkError);
}

TEST(ProgramFolder, HoldsThisProgram) { EXPECT_TRUE(fs::is_directory(program_folder())); }

}  // namespace
}  // namespace kablate
