#include "base/text.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cstdint>
#include <limits>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using Strings = std::vector<std::string>;

TEST(Text, SplitsJoinsAndTrims) {
  EXPECT_EQ(split("a,b,,c", ','), (Strings{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), Strings{""});
  EXPECT_EQ(split(",", ','), (Strings{"", ""}));
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({"a", "a"}, "+"), "a+a");
  EXPECT_EQ(join({}, "+"), "");
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(ParseInt, TakesWholeDecimalNumbers) {
  EXPECT_EQ(parse_int("0"), 0);
  EXPECT_EQ(parse_int("-7"), -7);
  EXPECT_EQ(parse_int("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse_int("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
}

TEST(ParseInt, RefusesAllElse) {
  for (const char* text : {"", "-", "-0", "00", "012", "-01", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1,000",
                           "one", "--1", "9223372036854775808", "-9223372036854775809", "١"})
    EXPECT_FALSE(parse_int(text)) << text;
}

TEST(ParseReal, TakesDecimalNumbers) {
  EXPECT_EQ(parse_real("0.1"), 0.1);
  EXPECT_EQ(parse_real("6e-4"), 6e-4);
  EXPECT_EQ(parse_real("1E+3"), 1000);
  EXPECT_EQ(parse_real("-3"), -3);
  EXPECT_EQ(parse_real("0"), 0);
}

TEST(ParseReal, RefusesAllElse) {
  for (const char* text :
       {"",    ".",     "-",   "e",   "e5",   "1e",       "1e+",   "1.2.3",  "+1", " 1",  "1 ",
        "0,1", "0x1p3", "nan", "inf", "-inf", "infinity", "1e400", "-1e400", "1f", "--1", "1-1"})
    EXPECT_FALSE(parse_real(text)) << text;
}

TEST(Shortest, ReadsBackExactly) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(*parse_real("0.10")), shortest(*parse_real("1e-1")));
  for (const double value : {1.0 / 3, 6e-4, 1e-8, 1e22, 50.0, 5e-324, std::numeric_limits<double>::max()})
    EXPECT_EQ(parse_real(shortest(value)), value) << shortest(value);
}

TEST(Numbers, ArePrintedForReading) {
  EXPECT_EQ(fixed(3.14159, 2), "3.14");
  EXPECT_EQ(fixed(-0.5, 0), "-0");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(230616576), "230,616,576");
  EXPECT_EQ(grouped(-100), "-100");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536 * 1024.0), "1.5 MiB");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(230419200), "230.4M");
}

TEST(Durations, NeverShowSixtyOfAUnit) {
  EXPECT_EQ(human_duration(0.25), "0.2 s");
  EXPECT_EQ(human_duration(12.4), "12 s");
  EXPECT_EQ(human_duration(59.7), "1 min 00 s");
  EXPECT_EQ(human_duration(123), "2 min 03 s");
  EXPECT_EQ(human_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(human_duration(7380), "2 h 03 min");
}

TEST(Numbers, DontFollowTheLocale) {
  // Machines without this locale skip nothing: the call then changes nothing.
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  EXPECT_EQ(parse_real("0.5"), 0.5);
  EXPECT_EQ(str(0.5, "/", 12345), "0.5/12345");
  EXPECT_EQ(shortest(0.5), "0.5");
  std::setlocale(LC_ALL, "C");
}

TEST(ParseList, TakesNumbersAndRanges) {
  EXPECT_EQ(parse_list("1-3,7", "SEEDS", 1), (std::vector<std::int64_t>{1, 2, 3, 7}));
  EXPECT_EQ(parse_list("5", "SEEDS", 1), std::vector<std::int64_t>{5});
  EXPECT_EQ(parse_list(" 4 , 2-2 ", "SEEDS", 1), (std::vector<std::int64_t>{4, 2}));
  EXPECT_EQ(parse_list("0", "steps", 0), std::vector<std::int64_t>{0});
}

TEST(ParseList, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "not a whole number"},      {"1,,2", "not a whole number"},  {"1-", "not a whole number"},
      {"a", "not a whole number"},     {"1.5", "not a whole number"},   {"01", "not a whole number"},
      {"1-2-3", "not a whole number"}, {"0", "0 is too small"},         {"-3", "-3 is too small"},
      {"3-1", "runs backwards"},       {"1--3", "runs backwards"},      {"1,1", "1 stands twice"},
      {"1-3,2", "2 stands twice"},     {"1-10000000", "at most 100000"}};
  for (const auto& [text, reason] : kCases) {
    const auto message = message_of<UserError>([&, text = text] { parse_list(text, "SEEDS", 1); });
    EXPECT_NE(message.find(reason), std::string::npos) << text << ": " << message;
    EXPECT_EQ(message.rfind(str("SEEDS = \"", text, "\""), 0), 0u) << message;
  }
}

TEST(ListText, IsShortAndReadBack) {
  EXPECT_EQ(list_text({}), "");
  EXPECT_EQ(list_text({4}), "4");
  EXPECT_EQ(list_text({8, 1, 3, 2, 7}), "1-3, 7, 8");
  EXPECT_EQ(list_text({1, 2}), "1, 2");
  const std::vector<std::int64_t> numbers{1, 2, 3, 4, 9, 11, 12, 13};
  EXPECT_EQ(parse_list(list_text(numbers), "SEEDS", 1), numbers);
}

TEST(NearestName, FindsASlipAndNothingFarAway) {
  const Strings known{"GPT2_N_LAYER", "GPT2_N_HEAD", "SEEDS"};
  EXPECT_EQ(nearest_name("GPT2_N_LAYERS", known), "GPT2_N_LAYER");
  EXPECT_EQ(nearest_name("SEED", known), "SEEDS");
  EXPECT_EQ(nearest_name("GPT2_N_HAED", known), "GPT2_N_HEAD");
  EXPECT_EQ(nearest_name("TEMPERATURE", known), "");
  EXPECT_EQ(nearest_name("", known), "");
}

}  // namespace
}  // namespace kablate
