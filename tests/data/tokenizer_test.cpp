#include "data/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;

const Tokenizer kLetters = Tokenizer::of_characters(U"\n abé😀");

TEST(Tokenizer, NumbersCharactersByCodePoint) {
  EXPECT_EQ(kLetters.vocabulary(), 6);
  EXPECT_EQ(kLetters.encode("ba é\n😀", "--prompt"), (Ids{3, 2, 1, 4, 0, 5}));
  EXPECT_EQ(kLetters.encode("", "--prompt"), Ids{});
  EXPECT_EQ(kLetters.decode({3, 2, 1, 4, 0, 5}), "ba é\n😀");
}

TEST(Tokenizer, NamesACharacterThatTheDataLacks) {
  const auto message = message_of<UserError>([] { kLetters.encode("aéx", "--prompt"); });
  EXPECT_EQ(message.rfind("--prompt: ", 0), 0u) << message;
  EXPECT_NE(message.find("byte 3, U+0078"), std::string::npos) << message;
  EXPECT_THROW(kLetters.encode("\xFF", "--prompt"), UserError);
}

TEST(Tokenizer, KeepsTheIdsThatTheDataHave) {
  using Json = nlohmann::json;
  const auto some = Tokenizer::of_numbers(100, {0, 1, 2, 5, 99});
  EXPECT_EQ(some.to_json(), (Json{{"kind", "numbers"}, {"vocabulary", 100}, {"ids", "0-2, 5, 99"}}));
  const auto read = Tokenizer::from_json(some.to_json(), "tokenizer.json");
  EXPECT_EQ(read.ids(), (Ids{0, 1, 2, 5, 99}));
  EXPECT_EQ(read.vocabulary(), 100);
  EXPECT_EQ(Tokenizer::of_numbers(3).ids(), (Ids{0, 1, 2}));
  EXPECT_EQ(kLetters.ids(), (Ids{0, 1, 2, 3, 4, 5}));
  for (const char* ids : {"0-100", "x", ""}) {
    const Json json{{"kind", "numbers"}, {"vocabulary", 100}, {"ids", ids}};
    EXPECT_NE(message_of<UserError>([&] { Tokenizer::from_json(json, "t.json"); }).find("t.json"),
              std::string::npos);
  }
}

TEST(Tokenizer, ShowsPaddingAsReplacement) {
  EXPECT_EQ(kLetters.decode({2, 6, -1, 50000}), "a\uFFFD\uFFFD\uFFFD");
}

TEST(Tokenizer, ReadsAndWritesNumbers) {
  const auto tokenizer = Tokenizer::of_numbers(100);
  EXPECT_EQ(tokenizer.encode(" 1\t99\n0 ", "--prompt"), (Ids{1, 99, 0}));
  EXPECT_EQ(tokenizer.encode("  ", "--prompt"), Ids{});
  EXPECT_EQ(tokenizer.decode({1, 99, 0}), "1 99 0");
  for (const char* text : {"100", "-1", "1,2", "a", "1 01"}) {
    const auto message = message_of<UserError>([&] { tokenizer.encode(text, "--prompt"); });
    EXPECT_NE(message.find("from 0 to 99"), std::string::npos) << text << ": " << message;
  }
}

TEST(Tokenizer, RoundTripsThroughJson) {
  for (const auto& tokenizer : {kLetters, Tokenizer::of_characters(U"x"), Tokenizer::of_numbers(50304)}) {
    const auto text = tokenizer.to_json().dump();
    const auto again = Tokenizer::from_json(Json::parse(text), "tokenizer.json");
    EXPECT_EQ(again.to_json().dump(), text);
    EXPECT_EQ(again.vocabulary(), tokenizer.vocabulary());
    EXPECT_EQ(again.is_characters(), tokenizer.is_characters());
  }
  EXPECT_EQ(Tokenizer::from_json(kLetters.to_json(), "t").encode("é", "t"), Ids{4});
}

TEST(Tokenizer, RefusesForeignJson) {
  for (const char* text :
       {R"([])", R"({})", R"({"kind": 3})", R"({"kind": "bpe"})", R"({"kind": "numbers"})",
        R"({"kind": "numbers", "vocabulary": 0})", R"({"kind": "numbers", "vocabulary": 1.5})",
        R"({"kind": "characters"})", R"({"kind": "characters", "alphabet": []})",
        R"({"kind": "characters", "alphabet": ["b", "a"]})",
        R"({"kind": "characters", "alphabet": ["a", "a"]})", R"({"kind": "characters", "alphabet": ["ab"]})",
        R"({"kind": "characters", "alphabet": [""]})", R"({"kind": "characters", "alphabet": [1]})"}) {
    const auto message =
        message_of<UserError>([&] { Tokenizer::from_json(Json::parse(text), "run/tokenizer.json"); });
    EXPECT_EQ(message.rfind("run/tokenizer.json: no tokenizer: ", 0), 0u) << text << ": " << message;
  }
}

}  // namespace
}  // namespace kablate
