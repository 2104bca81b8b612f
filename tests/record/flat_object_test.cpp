#include "record/flat_object.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

using Kind = FlatObject::Field::Kind;

TEST(FlatObject, HasTheFieldsOfItsText) {
  FlatObject object;
  ASSERT_TRUE(object.parse(R"({"a": -3, "b": 1.5, "c": "x\n\u00e4", "d": null, "e": {"f": 2}, "a": 4})"));
  const auto& fields = object.fields();
  ASSERT_EQ(fields.size(), 5u);
  EXPECT_EQ(fields[0].integer, 4) << "of a name that stands twice the last";
  EXPECT_TRUE(fields[0].is_number() && fields[0].real == 4);
  EXPECT_EQ(fields[1].real, 1.5);
  EXPECT_EQ(fields[2].text, "x\n\u00e4");
  EXPECT_EQ(fields[3].kind, Kind::kNull);
  ASSERT_EQ(fields[4].kind, Kind::kObject);
  EXPECT_EQ(fields[4].fields.at(0).name, "f");
  ASSERT_TRUE(object.parse("{}"));
  EXPECT_TRUE(object.fields().empty());
}

TEST(FlatObject, IsNothingElse) {
  for (const auto* text : {"", "3", "\"a\"", "null", "[1]", "{", "{}x", "{\"a\": [1]}", "{\"a\": true}",
                           "{\"a\": {\"b\": {}}}", "{\"a\": nan}", "{\"a\": 1e999}"})
    EXPECT_FALSE(FlatObject().parse(text)) << text;
}

}  // namespace
}  // namespace kablate
