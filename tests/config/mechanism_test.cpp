#include "config/mechanism.h"

#include <set>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/text.h"
#include "config/settings.h"
#include "support/configure.h"

namespace kablate {
namespace {

std::vector<std::string> symbols_of(const Mechanism& mechanism) {
  std::vector<std::string> names(mechanism.symbols.begin(), mechanism.symbols.end());
  names.emplace_back(mechanism.weight_symbol);
  if (!mechanism.by_weight()) names.emplace_back(mechanism.switch_symbol);
  return names;
}

Settings settings_with(const Mechanism& mechanism, bool on) {
  return changed(Settings::defaults(), switched(mechanism, on));
}

TEST(Mechanisms, AreSwitchedByTheirSymbolsAndByTheTableAlike) {
  std::set<std::string> names;
  for (const auto& mechanism : mechanisms()) {
    SCOPED_TRACE(mechanism.name);
    EXPECT_TRUE(names.insert(mechanism.name).second);
    EXPECT_EQ(find_mechanism(mechanism.name), &mechanism);
    Config config = settings_with(mechanism, true).bind();
    EXPECT_TRUE(mechanism.on(config));
    const Config off = without_mechanism(config, mechanism);
    EXPECT_FALSE(mechanism.on(off));
    EXPECT_FALSE(mechanism.on(settings_with(mechanism, false).bind()));
    for (const auto& other : mechanisms())
      if (&other != &mechanism) {
        EXPECT_EQ(other.on(off), other.on(config)) << other.name;
      }
  }
}

TEST(Mechanisms, HaveTheWeightThatTheirSymbolSets) {
  for (const auto& mechanism : mechanisms()) {
    Config config = changed(settings_with(mechanism, true), {{mechanism.weight_symbol, "0.375"}}).bind();
    EXPECT_EQ(mechanism.weight(config), 0.375) << mechanism.name;
  }
}

// What is in the mechanisms' menu and in no entry would stay in the key of an arm that has no such mechanism.
TEST(Mechanisms, OwnEverySymbolOfTheirMenu) {
  std::set<std::string> owned;
  for (const auto& mechanism : mechanisms())
    for (const auto& symbol : symbols_of(mechanism)) {
      EXPECT_NE(find_symbol(symbol), nullptr) << symbol;
      EXPECT_TRUE(owned.insert(symbol).second) << symbol << " belongs to two mechanisms";
    }
  const std::string menu =
      read_text(std::filesystem::path(KABLATE_SOURCE_DIR) / "src/model/mechanism/Kconfig");
  std::size_t seen = 0;
  for (const auto& line : split(menu, '\n'))
    if (line.starts_with("config "))
      if (const auto name = std::string(line.substr(7));
          find_symbol(name) != nullptr && name != "RA_MLA_ALLOW_NONCAUSAL") {
        EXPECT_TRUE(owned.contains(name)) << name << " belongs to no mechanism";
        ++seen;
      }
  EXPECT_GT(seen, 10u);
}

// `plan` names what nothing reads: off, all of a mechanism but its switch; on, only what its other options
// make idle.
TEST(Mechanisms, LeaveTheirSymbolsUnreadWhereTheyAreOff) {
  for (const auto& mechanism : mechanisms()) {
    const auto unused = unused_symbols(settings_with(mechanism, false).bind());
    for (const auto& symbol : symbols_of(mechanism))
      EXPECT_EQ(std::count(unused.begin(), unused.end(), symbol), symbol == mechanism.on_symbol() ? 0 : 1)
          << symbol;
  }
}

}  // namespace
}  // namespace kablate
