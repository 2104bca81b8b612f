#include "data/token_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/text.h"

namespace kablate {
namespace {

template <typename Id, typename Draw>
std::string bytes_of(std::size_t count, Draw&& draw) {
  std::string bytes(count * sizeof(Id), '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const Id id = static_cast<Id>(draw(i));
    std::memcpy(bytes.data() + i * sizeof(Id), &id, sizeof id);
  }
  return bytes;
}

std::string swapped(std::string bytes, std::size_t width) {
  for (std::size_t i = 0; i < bytes.size(); i += width)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + width));
  return bytes;
}

// Ids as tokenizers give them: rank r about 1/r times.
class Ranks {
 public:
  explicit Ranks(std::uint64_t vocabulary) : vocabulary_(vocabulary) {}
  std::uint64_t operator()(std::size_t) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random_);
    return static_cast<std::uint64_t>(std::pow(static_cast<double>(vocabulary_), u)) - 1;
  }

 private:
  std::mt19937_64 random_{7};
  std::uint64_t vocabulary_;
};

void expect_named(const std::string& bytes, const std::string& part) {
  const auto said = foreign_token_format(bytes);
  EXPECT_NE(said.find(part), std::string::npos) << part << " is not in: " << said;
}

TEST(TokenFormat, LetsIdsOf16BitsPass) {
  for (const std::uint64_t vocabulary : {2, 65, 128, 256, 1000, 50257, 65536})
    for (const std::size_t count :
         {std::size_t{10}, std::size_t{100}, std::size_t{3000}, std::size_t{600000}}) {
      EXPECT_EQ(foreign_token_format(bytes_of<std::uint16_t>(count, Ranks(vocabulary))), "") << vocabulary;
      std::mt19937_64 random(3);
      const auto even = [&](std::size_t) { return random() % vocabulary; };
      EXPECT_EQ(foreign_token_format(bytes_of<std::uint16_t>(count, even)), "") << vocabulary;
      EXPECT_EQ(foreign_token_format(bytes_of<std::uint16_t>(count, [&](auto i) { return i % vocabulary; })),
                "");
    }
  // A separator behind each id, and few ids that are far apart.
  EXPECT_EQ(
      foreign_token_format(bytes_of<std::uint16_t>(4000, [](auto i) { return i % 2 == 0 ? i / 2 % 97 : 3; })),
      "");
  EXPECT_EQ(foreign_token_format(bytes_of<std::uint16_t>(4000, [](auto i) { return i % 7 * 300; })), "");
  EXPECT_EQ(foreign_token_format(""), "");
  EXPECT_EQ(foreign_token_format(std::string(4000, '\0')), "");
}

TEST(TokenFormat, NamesNumbersOfAnotherWidth) {
  for (const std::uint64_t vocabulary : {65, 50257, 65536}) {
    expect_named(bytes_of<std::uint32_t>(500, Ranks(vocabulary)), "holds 32-bit numbers: every second");
    expect_named(bytes_of<std::uint32_t>(500000, Ranks(vocabulary)), "holds 32-bit numbers: every second");
    expect_named(bytes_of<std::uint64_t>(500, Ranks(vocabulary)), "holds 64-bit numbers");
    expect_named(swapped(bytes_of<std::uint32_t>(500, Ranks(vocabulary)), 4),
                 "holds big-endian 32-bit numbers");
  }
  expect_named(bytes_of<std::uint32_t>(100000, Ranks(128256)), "holds 32-bit numbers beyond 65535");
  expect_named(bytes_of<std::uint8_t>(4000, Ranks(65)), "holds 8-bit numbers");
  std::string text;
  while (text.size() < 4000) text += "To be, or not to be: that is the question.\n";
  expect_named(text, "is text; for its characters as tokens set DATASET = text");
}

TEST(TokenFormat, NamesFormatsByTheirFirstBytes) {
  const std::string rest(3000, '\x51');
  const auto llm_c = [&](std::uint32_t magic) {
    return bytes_of<std::uint32_t>(256,
                                   [&](auto i) {
                                     return i == 0 ? magic : i == 1 ? 1 : i == 2 ? 1500 : 0;
                                   }) +
           rest;
  };
  expect_named(llm_c(20240801), "llm.c's token file of 32-bit ids");
  expect_named("\x93NUMPY\1" + rest, ".npy");
  expect_named("PK\3\4" + rest, "zip archive");
  expect_named("\x1F\x8B\x08" + rest, "gzip");
  expect_named("\x28\xB5\x2F\xFD" + rest, "zstd");
  expect_named("BZh91AY&SY" + rest, "bzip2");
  expect_named(std::string("\xFD") + "7zXZ" + std::string(1, '\0') + rest, "xz");
  expect_named("PAR1" + rest, "Parquet");
  expect_named("ARROW1" + std::string(2, '\0') + rest, "Arrow");
  expect_named("\x89HDF\r\n\x1A\n" + rest, "HDF5");
  expect_named("MMIDIDX" + std::string(2, '\0') + rest, "Megatron");
  expect_named(std::string(257, 'x') + "ustar" + rest, "tar archive");
  expect_named("\x80\x04\x95\x10" + std::string(7, '\0') + "]" + rest + ".", "Python's pickle");
  expect_named("\x80\x02]q" + rest + ".", "Python's pickle");
  expect_named("\x0B" + std::string(7, '\0') + "\x86\x15\xF5\x04" + rest, "TFRecord");
  EXPECT_EQ(foreign_token_format("\x80\x02]q" + rest), "") << "640 is an id";
  EXPECT_EQ(foreign_token_format("\x0B" + std::string(7, '\0') + "\x87\x15\xF5\x04" + rest), "");
  expect_named("\x02" + std::string(7, '\0') + "{\"a\":1}" + rest, "safetensors");
}

TEST(TokenFormat, SaysUnderWhichReadingIdsWouldFit) {
  const auto said = [](const std::vector<std::uint16_t>& ids, std::int64_t vocabulary) {
    return fitting_token_format(ids, vocabulary);
  };
  EXPECT_NE(said({0x1234, 0x4041}, 66).find("8-bit"), std::string::npos);
  EXPECT_NE(said({0x0102, 0x2901}, 1000).find("big-endian"), std::string::npos);
  EXPECT_EQ(said({0xFFFF, 0x0102}, 100), "");
}

}  // namespace
}  // namespace kablate
