#include "base/csv.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> fields(std::string_view text) {
  std::vector<Fields> result;
  for (const auto& record : read_csv(text).records) result.push_back(record.fields);
  return result;
}

TEST(CsvText, SplitsFieldsAndRecords) {
  EXPECT_EQ(fields("a,b\n1,\n"), (std::vector<Fields>{{"a", "b"}, {"1", ""}}));
  EXPECT_EQ(fields("a,b\r\n1,2"), (std::vector<Fields>{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(fields(",\n"), (std::vector<Fields>{{"", ""}}));
  EXPECT_EQ(fields("a\n\n\r\nb\n"), (std::vector<Fields>{{"a"}, {"b"}}));
  EXPECT_TRUE(fields("").empty());
}

TEST(CsvText, QuotesHoldCommasQuotesAndLineEnds) {
  EXPECT_EQ(fields("\"a,b\",\"say \"\"x\"\"\"\n\"two\nlines\",\"\"\n"),
            (std::vector<Fields>{{"a,b", "say \"x\""}, {"two\nlines", ""}}));
  EXPECT_EQ(read_csv("\"a,b\",\"c\"").bad_quote, 0);
}

TEST(CsvText, KnowsTheLineOfEachRecord) {
  const auto text = read_csv("h\n\n\"x\ny\"\nz\n");
  ASSERT_EQ(text.records.size(), 3u);
  EXPECT_EQ(text.records[1].line, 3);
  EXPECT_EQ(text.records[2].line, 5);
}

TEST(CsvText, FindsQuotesThatNoProgramWrites) {
  EXPECT_EQ(read_csv("a\n\"b\nc\n").bad_quote, 2);
  EXPECT_EQ(read_csv("a\nb\"c\"\n").bad_quote, 2);
  EXPECT_EQ(read_csv("a\n\"b\"c\n").bad_quote, 2);
}

}  // namespace
}  // namespace kablate
