#include "record/claim.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

constexpr int kNotFree = 0, kHeld = 1, kHeldTwice = 2, kThrew = 99;

// An exception must not leave a forked process: it would go on with the tests.
int status_of(const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return kThrew;
  }
}

// Runs `body` in a process that ends without unwinding, as after SIGKILL, and gives its exit status.
int in_killed_process(const std::function<int()>& body) {
  const auto pid = ::fork();
  if (pid == 0) ::_exit(status_of(body));
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

// A claim as a process of another machine left it `age` seconds ago.
void foreign_claim(const TrialFolder& folder, double age) {
  const Json claim{{"host", "elsewhere"}, {"boot_id", "b"},        {"pid_namespace", "n"}, {"pid", 1},
                   {"start_time", 1},     {"token", "elsewhere-1"}};
  write_file(folder.path() / "claim.1", claim.dump());
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec -= static_cast<time_t>(age);
  const timespec times[2] = {now, now};
  ::utimensat(AT_FDCWD, (folder.path() / "claim.1").c_str(), times, 0);
}

std::vector<std::string> files(const TrialFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) names.push_back(entry.path().filename());
  return names;
}

TEST(Claim, IsExclusiveAndGivenBack) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path() / "t");
  EXPECT_FALSE(claim_owner(folder));
  auto claim = Claim::acquire(folder);
  ASSERT_TRUE(claim);
  EXPECT_TRUE(claim->held());
  EXPECT_EQ(claim_owner(folder)->pid, ::getpid());
  std::string holder;
  EXPECT_FALSE(Claim::acquire(folder, &holder));
  EXPECT_NE(holder.find(std::to_string(::getpid())), std::string::npos) << holder;
  EXPECT_EQ(in_killed_process([&] { return Claim::acquire(folder) ? 1 : 0; }), 0);
  claim.reset();
  EXPECT_FALSE(claim_owner(folder));
  EXPECT_TRUE(files(folder).empty());
  EXPECT_TRUE(Claim::acquire(folder));
}

TEST(Claim, OfADeadProcessIsTakenOver) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  EXPECT_EQ(in_killed_process([&] { return Claim::acquire(folder).release() != nullptr; }), 1);
  EXPECT_EQ(files(folder), std::vector<std::string>{"claim.1"});
  EXPECT_FALSE(claim_owner(folder));
  const auto claim = Claim::acquire(folder);
  ASSERT_TRUE(claim);
  EXPECT_TRUE(claim->held());
  EXPECT_EQ(files(folder), std::vector<std::string>{"claim.2"});
}

TEST(Claim, OfAZombieIsTakenOver) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  const auto pid = ::fork();
  if (pid == 0) ::_exit(Claim::acquire(folder).release() == nullptr);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);  // it has ended and was not waited for
  EXPECT_TRUE(Claim::acquire(folder));
  ::waitpid(pid, nullptr, 0);
}

TEST(Claim, OfAnotherProcessWithTheSameNumberIsStale) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  auto claim = Claim::acquire(folder);
  Json text = Json::parse(read_text(folder.path() / "claim.1"));
  claim.reset();
  text["start_time"] = text["start_time"].get<std::int64_t>() - 1;  // the number came round again
  write_file(folder.path() / "claim.1", text.dump());
  EXPECT_TRUE(Claim::acquire(folder));
}

TEST(Claim, OfAnotherMachineStandsWhileItIsRenewed) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  foreign_claim(folder, Claim::kStaleSeconds - 20);
  std::string holder;
  EXPECT_FALSE(Claim::acquire(folder, &holder));
  EXPECT_EQ(holder, "process 1 on elsewhere");
  EXPECT_EQ(claim_owner(folder)->host, "elsewhere");
  foreign_claim(folder, Claim::kStaleSeconds + 20);
  EXPECT_FALSE(claim_owner(folder));
  EXPECT_TRUE(Claim::acquire(folder));
}

TEST(Claim, ThatIsDamagedCountsAsAnothersUntilItIsOld) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  write_file(folder.path() / "claim.3", "");
  EXPECT_FALSE(Claim::acquire(folder));
  const timespec times[2] = {{1000, 0}, {1000, 0}};
  ::utimensat(AT_FDCWD, (folder.path() / "claim.3").c_str(), times, 0);
  EXPECT_TRUE(Claim::acquire(folder));
}

TEST(Claim, ThatIsAPipeIsNotWaitedFor) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  ASSERT_EQ(::mkfifo((folder.path() / "claim.1").c_str(), 0600), 0);
  std::string holder;
  EXPECT_EQ(Claim::acquire(folder, &holder), nullptr);
  EXPECT_EQ(holder, "a process whose claim can't be read, which counts for 120 s,");
}

TEST(Claim, KnowsThatItWasTakenOver) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  const auto claim = Claim::acquire(folder);
  fs::remove(folder.path() / "claim.1");
  foreign_claim(folder, 0);
  EXPECT_FALSE(claim->held());
}

TEST(Claim, LeavesAnothersClaimAloneWhenItEnds) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path());
  auto claim = Claim::acquire(folder);
  foreign_claim(folder, 0);
  claim.reset();
  EXPECT_TRUE(fs::exists(folder.path() / "claim.1"));
}

// Takes the folder if it can, checks by a marker file that no
// other process has it, and gives it back or dies with it.
int hold_once(const TrialFolder& folder, const fs::path& marker) {
  auto claim = Claim::acquire(folder);
  if (!claim) return kNotFree;
  const int fd = ::open(marker.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0666);
  if (fd < 0) return kHeldTwice;
  ::close(fd);
  ::usleep(300);
  ::unlink(marker.c_str());
  if (::getpid() % 3 == 0) claim.release();
  return kHeld;
}

TEST(Claim, IsNeverHeldTwiceByManyProcesses) {
  const TemporaryFolder root;
  const TrialFolder folder(root.path() / "t");
  const auto worker = [&] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (std::chrono::steady_clock::now() < end) {
      const int result = in_killed_process([&] { return hold_once(folder, root.path() / "held"); });
      if (result == kHeldTwice || result == kThrew) return result;
      if (result == kHeld) std::ofstream(root.path() / "times", std::ios::app) << "x";
    }
    return 0;
  };
  std::vector<pid_t> processes;
  for (int i = 0; i < 8; ++i) {
    const auto pid = ::fork();
    if (pid == 0) ::_exit(status_of(worker));
    processes.push_back(pid);
  }
  for (const auto pid : processes) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0)
        << kHeldTwice << ": two held the folder at once, " << kThrew << ": an error";
  }
  EXPECT_GT(fs::file_size(root.path() / "times"), 20u);
}

}  // namespace
}  // namespace kablate
