#include "measure/checkout.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::HasSubstr;

class Checkout : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no git";
    git("init -q");
    folder.write("repo/file", "one\n");
    git("add .");
    git("commit -qm one");
  }
  void git(const std::string& arguments) {
    std::filesystem::create_directories(repo());
    const std::string line = "git -C '" + repo().string() + "' -c user.name=x -c user.email=x@x " + arguments;
    ASSERT_EQ(std::system(line.c_str()), 0) << line;
  }
  std::filesystem::path repo() const { return folder.path() / "repo"; }

  TemporaryFolder folder;
};

TEST_F(Checkout, IsKnownByItsCommit) {
  const Json clean = describe_checkout(repo());
  EXPECT_EQ(clean.at("commit").get<std::string>().size(), 40);
  EXPECT_EQ(clean.at("dirty"), false);
  EXPECT_EQ(source_changes(repo()).bytes, 0);
  folder.write("repo/file", "two\n");
  EXPECT_EQ(describe_checkout(repo()).at("dirty"), true);
  const auto changes = source_changes(repo());
  EXPECT_THAT(changes.patch, HasSubstr("+two"));
  EXPECT_EQ(changes.sha256, hex(sha256(changes.patch)));
}

TEST_F(Checkout, OfAnotherProjectAroundTheSourcesIsNotOurs) {
  folder.write("repo/unpacked/file", "ours");
  folder.write("repo/file", "two\n");
  const Json found = describe_checkout(repo() / "unpacked");
  EXPECT_EQ(found.at("commit"), "unknown");
  EXPECT_THAT(found.at("reason").get<std::string>(), HasSubstr("another project's checkout"));
  EXPECT_EQ(source_changes(repo() / "unpacked").patch, "");
}

TEST_F(Checkout, IsNotTheOneThatVariablesPointTo) {
  const TemporaryFolder elsewhere;
  elsewhere.write("sources/file", "ours");
  ::setenv("GIT_DIR", (repo() / ".git").c_str(), 1);
  ::setenv("GIT_WORK_TREE", (elsewhere.path() / "sources").c_str(), 1);
  const Json found = describe_checkout(elsewhere.path() / "sources");
  ::unsetenv("GIT_DIR");
  ::unsetenv("GIT_WORK_TREE");
  EXPECT_EQ(found.at("commit"), "unknown");
}

TEST_F(Checkout, ChangesAreCutAndHashedWhole) {
  folder.write("repo/file", std::string(3 << 20, 'x'));
  const auto changes = source_changes(repo());
  EXPECT_EQ(std::ssize(changes.patch), kMostPatchBytes);
  EXPECT_GT(changes.bytes, 3 << 20);
  EXPECT_NE(changes.sha256, hex(sha256(changes.patch)));
}

}  // namespace
}  // namespace kablate
