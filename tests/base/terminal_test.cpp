#include "base/terminal.h"

#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace kablate {
namespace {

TEST(OutputWidth, InAPipeIsWhatColumnsSays) {
  if (::isatty(STDOUT_FILENO) == 1) GTEST_SKIP() << "standard output is a terminal, whose width counts";
  const char* found = std::getenv("COLUMNS");
  const auto before = found == nullptr ? std::nullopt : std::optional<std::string>(found);
  for (const auto& [said, width] : {std::pair("160", std::size_t{160}),
                                    {"40", 40},
                                    {"39", kPlainWidth},
                                    {"", kPlainWidth},
                                    {"wide", kPlainWidth},
                                    {"-200", kPlainWidth}}) {
    ::setenv("COLUMNS", said, 1);
    EXPECT_EQ(output_width(), width) << said;
  }
  ::unsetenv("COLUMNS");
  EXPECT_EQ(output_width(), kPlainWidth);
  if (before) ::setenv("COLUMNS", before->c_str(), 1);
}

}  // namespace
}  // namespace kablate
