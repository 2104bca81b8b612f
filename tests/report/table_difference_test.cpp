#include "report/table_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kTable = "step,name,loss\n0,mla,2.5\n2,\"a, \"\"b\"\"\",2.25\n";

TEST(CsvRecords, UndoQuoting) {
  EXPECT_THAT(csv_records(kTable),
              ElementsAre(ElementsAre("step", "name", "loss"), ElementsAre("0", "mla", "2.5"),
                          ElementsAre("2", "a, \"b\"", "2.25")));
  EXPECT_THAT(csv_records(""), IsEmpty());
  EXPECT_THAT(csv_records("a,\n,b"), ElementsAre(ElementsAre("a", ""), ElementsAre("", "b")));
  EXPECT_THAT(csv_records(csv_field("x\ny,\"z\"")), ElementsAre(ElementsAre("x\ny,\"z\"")));
}

TEST(TableDifferences, AreNoneBetweenEqualTables) {
  EXPECT_THAT(table_differences(kTable, kTable), IsEmpty());
}

TEST(TableDifferences, NameTheCell) {
  EXPECT_THAT(
      table_differences("step,loss\n0,2.5\n1,\n", "step,loss\n0,2.4\n1,3\n"),
      ElementsAre("step 0: loss 2.5 stored, 2.4 recomputed", "step 1: loss empty stored, 3 recomputed"));
}

TEST(TableDifferences, NameWhatOnlyOneHas) {
  EXPECT_THAT(
      table_differences("step,loss,extra\n0,1,2\n3,1,2\n", "step,loss,more\n0,1,2\n4,1,2\n"),
      ElementsAre("only the recomputed table has column more", "only the stored table has column extra",
                  "only the recomputed table has step 4", "only the stored table has step 3"));
}

TEST(TableDifferences, AreNeverSilentAboutOtherBytes) {
  EXPECT_THAT(table_differences("step,loss\n0,\"1\"\n", "step,loss\n0,1\n"),
              ElementsAre(testing::HasSubstr("order")));
  EXPECT_THAT(table_differences("", kTable), testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace kablate
