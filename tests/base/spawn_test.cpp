#include "base/spawn.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

namespace kablate {
namespace {

TEST(Spawn, LeavesOutWhatItIsToldAndTheUsersLanguage) {
  ::setenv("KABLATE_SPAWN_TEST", "a", 1), ::setenv("KABLATE_SPAWNED", "b", 1), ::setenv("LC_ALL", "de_DE", 1);
  const auto variables = environment_without({"KABLATE_SPAWN_"}, {"MORE=c d"});
  ::unsetenv("KABLATE_SPAWN_TEST"), ::unsetenv("KABLATE_SPAWNED"), ::unsetenv("LC_ALL");
  const auto count = [&](const std::string& entry) { return std::ranges::count(variables, entry); };
  EXPECT_EQ(count("KABLATE_SPAWN_TEST=a"), 0);
  EXPECT_EQ(count("KABLATE_SPAWNED=b"), 1);
  EXPECT_EQ(count("MORE=c d"), 1);
  EXPECT_EQ(count("LC_ALL=de_DE"), 0) << "the first of two counts";
  EXPECT_EQ(count("LC_ALL=C"), 1);
}

TEST(Spawn, PointsToEachTextAndEndsWithNull) {
  const std::vector<std::string> texts{"git", "", "a b"};
  const auto pointers = spawn_pointers(texts);
  ASSERT_EQ(pointers.size(), 4U);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(pointers[i], texts[i]);
  EXPECT_EQ(pointers[3], nullptr);
}

}  // namespace
}  // namespace kablate
