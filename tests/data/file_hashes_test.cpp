#include "data/file_hashes.h"

#include <csignal>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/stop_signal.h"
#include "support/own_process.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

TEST(LargeFiles, AreReadUntilASignalAsksToStop) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "train.bin";
  write_file(file, "tokens");
  EXPECT_EQ(testing_support::in_own_process([&] {
              catch_stop_signals();
              ::raise(SIGTERM);
              try {
                sha256_of_large({file});
              } catch (const Interrupted&) {
                return true;
              }
              return false;
            }),
            0);
  EXPECT_EQ(sha256_of_large({file}), std::vector<std::string>{hex(sha256("tokens"))});
}

}  // namespace
}  // namespace kablate
