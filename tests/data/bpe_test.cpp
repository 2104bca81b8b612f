#include "data/bpe.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/gpt2_pieces.h"
#include "data/tokenizer.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;
using Pieces = std::vector<std::string_view>;
using testing_support::expect_error;

// "Ġ" is a blank, "Ã©" the two bytes of é. Ids from 256 on: " t", " th", "aa", "aaaa", "é", "\n\n".
const std::string kMerges = "#version: 0.2\nĠ t\nĠt h\na a\naa aa\nÃ ©\nĊ Ċ\n";
const Bpe& small() {
  static const Bpe bpe(kMerges, "vocab.bpe");
  return bpe;
}

TEST(Bpe, BytesAreFirstThenMergesThenTheEndOfText) {
  EXPECT_EQ(small().vocabulary(), 256 + 6 + 1);
  EXPECT_EQ(small().bytes(0), "!");
  EXPECT_EQ(small().bytes(93), "~");
  EXPECT_EQ(small().bytes(94), "\xA1");
  EXPECT_EQ(small().bytes(187), "\xFF");
  EXPECT_EQ(small().bytes(188), std::string_view("\0", 1));
  EXPECT_EQ(small().bytes(198), "\n");
  EXPECT_EQ(small().bytes(220), " ");
  EXPECT_EQ(small().bytes(221), "\x7F");
  EXPECT_EQ(small().bytes(255), "\xAD");
  EXPECT_EQ(small().bytes(257), " th");
  EXPECT_EQ(small().bytes(260), "é");
  EXPECT_EQ(small().bytes(small().end_of_text()), "<|endoftext|>");
}

TEST(Bpe, MergesTheEarliestFirstAndOfEqualsTheLeftmost) {
  const auto ids = [](std::string_view text) { return small().encode(text, "text"); };
  EXPECT_EQ(ids(""), Ids{});
  EXPECT_EQ(ids("the"), (Ids{'t' - '!', 'h' - '!', 'e' - '!'}));
  EXPECT_EQ(ids(" the"), (Ids{257, 'e' - '!'}));
  EXPECT_EQ(ids("aaa"), (Ids{258, 'a' - '!'}));
  EXPECT_EQ(ids("aaaaaaa"), (Ids{259, 258, 'a' - '!'}));
  EXPECT_EQ(ids("é\xC3\xA8"), (Ids{260, 94 + 0xC3 - 0xA1 - 1, 94 + 0xA8 - 0xA1}));
  EXPECT_EQ(ids("\n\n"), Ids{261});
  EXPECT_EQ(ids("\n\na"), (Ids{198, 198, 'a' - '!'})) << "the last line end stays for what follows";
  EXPECT_EQ(ids("<|endoftext|>").size(), 13u) << "is text";
  EXPECT_EQ(ids(std::string(300'000, 'a')), Ids(75'000, 259)) << "and takes no minute";
  expect_error([&] { ids("a\xFF"); }, {"text: not UTF-8 at byte 1"});
}

// A merge may make a token of an id below its own: of a list that is none of GPT-2's, "abcd" by "ab cd" is
// made of "abc" and "d" at the end.
TEST(Bpe, TakesTheEarliestOfWhatAMergeBringsTogether) {
  const Bpe bpe("#version: 0.2\nb c\na b\nc d\nab cd\na bc\n", "it");
  EXPECT_EQ(bpe.encode("abcd", "text"), Ids{259});
  EXPECT_EQ(bpe.encode("abc", "text"), Ids{260});
}

TEST(Bpe, RefusesWhatIsNoListOfMerges) {
  const auto refuse = [](const std::string& merges, std::initializer_list<std::string> parts) {
    expect_error([&] { Bpe(merges, "it"); }, parts);
  };
  refuse("", {"it: no list of merges", "#version"});
  refuse("a b\n", {"it: no list of merges"});
  refuse("#version\na b\nab\n", {"it:3: no merge: expected two parts"});
  refuse("#version\na b c\n", {"it:2: no merge"});
  refuse("#version\n\na b\n", {"it:2: no merge"});
  refuse("#version\nab c\n", {"it:2: merges \"ab\", which no line before makes"});
  refuse("#version\na b\na b\n", {"it:3: makes a token that is there already"});
  refuse("#version\na \xC4\xFF\n", {"it:2: not UTF-8"});
  refuse("#version\na 中\n", {"it:2: U+4E2D stands for no byte"});
}

TEST(Gpt2Pieces, AreTheMatchesOfItsExpression) {
  const auto cut = [](std::string_view text) { return gpt2_pieces(text, "text"); };
  EXPECT_EQ(cut("I've 42cats, don't they'll'd"),
            (Pieces{"I", "'ve", " 42", "cats", ",", " don", "'t", " they", "'ll", "'d"}));
  EXPECT_EQ(cut("'Tis 'REx''s 'l 've'"),
            (Pieces{"'", "Tis", " '", "REx", "''", "s", " '", "l", " '", "ve", "'"}));
  EXPECT_EQ(cut("a  b\n\n c \t\n"), (Pieces{"a", " ", " b", "\n\n", " c", " \t\n"}));
  EXPECT_EQ(cut("\u00A0\u3000x  "), (Pieces{"\u00A0", "\u3000", "x", "  "}));
  EXPECT_EQ(cut("naïve²½ⅧⅨ日本٣ 'é"), (Pieces{"naïve", "²½ⅧⅨ", "日本", "٣", " '", "é"}));
  EXPECT_EQ(cut("😀e\u0301 \u200B!"), (Pieces{"😀", "e", "\u0301", " \u200B!"})) << "marks are no letters";
  EXPECT_EQ(cut("'"), (Pieces{"'"}));
  EXPECT_EQ(cut("'r"), (Pieces{"'", "r"}));
}

// What tests/interchange/test_tiktoken.py writes: {"merges": PATH, "cases": [[TEXT, [ID…]]…]}.
TEST(Bpe, GivesTheIdsOfAFile) {
  const char* path = std::getenv("KABLATE_BPE_CASES");
  if (path == nullptr) GTEST_SKIP() << "KABLATE_BPE_CASES names no file";
  const Json file = Json::parse(read_text(path));
  const auto merges = file.at("merges").get<std::string>();
  const Bpe bpe(read_text(merges), merges);
  const auto tokenizer =
      Tokenizer::of_bpe(std::make_shared<const Bpe>(read_text(merges), merges), {}, "gpt2");
  for (const auto& item : file.at("cases")) {
    const auto text = item[0].get<std::string>();
    const auto ids = item[1].get<Ids>();
    ASSERT_EQ(bpe.encode(text, "text"), ids) << text.substr(0, 200);
    ASSERT_EQ(tokenizer.decode(ids), text);
  }
}

TEST(BpeTokenizer, RoundTripsThroughJson) {
  const auto bpe = std::make_shared<const Bpe>(kMerges, "vocab.bpe");
  const auto tokenizer = Tokenizer::of_bpe(bpe, {0, 5, 261}, "gpt2");
  const auto again = Tokenizer::from_json(Json::parse(tokenizer.to_json().dump()), "tokenizer.json");
  EXPECT_EQ(again.to_json(), tokenizer.to_json());
  EXPECT_EQ(again.to_json().at("kind"), "bpe");
  EXPECT_EQ(again.to_json().at("tokenizer"), "gpt2");
  EXPECT_EQ(again.ids(), (Ids{0, 5, 261}));
  EXPECT_EQ(again.vocabulary(), 263);
  EXPECT_TRUE(again.is_bpe() && !again.is_characters());
  EXPECT_EQ(again.encode(" the\n\n", "--prompt"), (Ids{257, 'e' - '!', 261}));
  const auto refuse = [](const Json& json, std::initializer_list<std::string> parts) {
    expect_error([&] { Tokenizer::from_json(json, "t.json"); }, parts);
  };
  refuse({{"kind", "bpe"}, {"merges", 3}}, {"t.json: no tokenizer: "});
  refuse({{"kind", "bpe"}, {"merges", "x"}}, {"t.json: no tokenizer: \"merges\": no list of merges"});
  refuse({{"kind", "bpe"}, {"merges", kMerges}, {"ids", "263"}}, {"t.json: no tokenizer: ", "\"ids\""});
}

TEST(BpeTokenizer, AnIdMayBeAPartOfACharacter) {
  const auto tokenizer = Tokenizer::of_bpe(std::make_shared<const Bpe>(kMerges, "v"), {}, "gpt2");
  const std::int64_t lead = 94 + 0xC3 - 0xA1 - 1, tail = 94 + 0xA9 - 0xA1;  // 0xAD comes later
  EXPECT_EQ(tokenizer.decode({lead, tail, 'x' - '!'}), "éx");
  EXPECT_EQ(tokenizer.decode({lead, 'x' - '!', tail, lead}), "\uFFFDx\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer.bytes({lead, 'x' - '!'}), "\xC3x");
  EXPECT_EQ(tokenizer.decode_next(tail), "\xA9");
  EXPECT_EQ(tokenizer.decode({5000, -1}), "\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer.bytes_of(lead), 1);
  EXPECT_EQ(tokenizer.bytes_of(257), 3);
  EXPECT_EQ(tokenizer.bytes_of(262), 0) << "the end of a text is no text";
  EXPECT_EQ(tokenizer.bytes_of(263), std::nullopt);
}

// What a user writes means the token where the data have it.
TEST(BpeTokenizer, TheEndOfATextIsATokenOfDataThatHaveIt) {
  const auto bpe = std::make_shared<const Bpe>(kMerges, "v");
  const auto with = Tokenizer::of_bpe(bpe, {7, 198, 262}, ""), without = Tokenizer::of_bpe(bpe, {7, 198}, "");
  EXPECT_EQ(with.encode("<|endoftext|>aa<|endoftext|>", "--prompt"), (Ids{262, 258, 262}));
  EXPECT_EQ(with.decode({262, 258}), "<|endoftext|>aa");
  EXPECT_EQ(without.encode("<|endoftext|>", "--prompt").size(), 13u);
  EXPECT_EQ(with.first(), 262);
  EXPECT_EQ(without.first(), 198) << "a line end";
  EXPECT_EQ(Tokenizer::of_bpe(bpe, {7, 9}, "").first(), 7);
  EXPECT_EQ(Tokenizer::of_numbers(9, {3, 4}).first(), 3);
  EXPECT_EQ(Tokenizer::of_characters(U"abc").first(), 0);
}

}  // namespace
}  // namespace kablate
