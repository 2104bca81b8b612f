#include "base/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

TEST(LogFile, InAPipeIsNotWaitedFor) {
  const TemporaryFolder root;
  const auto path = (root.path() / "log.txt").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  testing_support::expect_error([&] { open_log_file(path, /*console=*/true); },
                                {"log.txt: is a pipe, not a file"});
}

}  // namespace
}  // namespace kablate
