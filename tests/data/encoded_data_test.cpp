// TOKENIZER=gpt2: the tokens of a text, prepared beforehand, and told from those of another text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "config/config.h"
#include "data/stream_dataset.h"
#include "data/utf8.h"
#include "support/core/token_bytes.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

// As many merges as GPT-2 has: pairs of bytes, in the order of the bytes' ids.
std::string many_merges() {
  std::vector<std::string> letters;
  for (char32_t byte = 0; byte < 256; ++byte)
    if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD)) letters.push_back(utf8(byte));
  for (char32_t other = 256; letters.size() < 256; ++other) letters.push_back(utf8(other));
  std::string text = "#version: 0.2\n";
  for (int i = 0; i < 50000; ++i)
    text +=
        letters[static_cast<std::size_t>(i / 256)] + " " + letters[static_cast<std::size_t>(i % 256)] + "\n";
  return text;
}

class EncodedText : public testing::Test {
 protected:
  static constexpr std::string_view kText = "what the tokens were made of";

  Config config(std::int64_t vocabulary = 50257) const {
    Config config;
    config.data.dataset = DatasetKind::kText;
    config.data.tokenizer = TokenizerKind::kGpt2;
    config.data.path = (folder_.path() / "a text").string();
    config.gpt.vocabulary = vocabulary;
    config.gpt.context = 2;
    return config;
  }
  // What scripts/prepare_bpe.py leaves, for files of these contents.
  void prepare(const std::string& name, const Ids& train, const Ids& validation) const {
    const std::string merges = many_merges();
    Json sums;
    for (const auto& [file, content] : {std::pair<std::string, std::string>{"train.bin", uint16_text(train)},
                                        {"val.bin", uint16_text(validation)},
                                        {"vocab.bpe", merges}}) {
      folder_.write("data/gpt2/" + name + "/" + file, content);
      sums[file] = hex(sha256(content));
    }
    const Json meta{{"vocab_size", 50257}, {"tokenizer", "gpt2"}, {"sha256", sums}};
    folder_.write("data/gpt2/" + name + "/meta.json", meta.dump());
  }
  static std::string name_of(std::string_view text) { return hex(sha256(text)).substr(0, 16); }

  std::shared_ptr<const StreamDataset> open(const Config& config) const {
    return std::dynamic_pointer_cast<const StreamDataset>(open_dataset(config, folder_.path() / "data"));
  }
  void refuse(const Config& config, const std::vector<std::string>& parts) const {
    const auto message = message_of<UserError>([&] { open(config); });
    for (const auto& part : parts) EXPECT_THAT(message, HasSubstr(part));
  }
  static Ids all(const TokenStream& tokens) {
    Ids values(static_cast<std::size_t>(tokens.size()));
    tokens.copy(0, tokens.size(), values.data());
    return values;
  }
  const TemporaryFolder folder_;
};

TEST_F(EncodedText, IsReadWhereItWasPrepared) {
  folder_.write("a text", kText);
  prepare(name_of(kText), {1, 50255, 3, 4, 300}, {5, 6, 7});
  const auto data = open(config());
  EXPECT_EQ(all(data->train()), (Ids{1, 50255, 3, 4, 300}));
  EXPECT_EQ(all(data->validation()), (Ids{5, 6, 7}));
  EXPECT_EQ(data->vocabulary(), 50257);
  EXPECT_TRUE(data->tokenizer().is_bpe());
  EXPECT_EQ(data->tokenizer().ids(), (Ids{1, 3, 4, 5, 6, 7, 300, 50255}));
  EXPECT_EQ(data->tokenizer().decode({0, 256, 1}), "!!!\"");
  EXPECT_EQ(data->tokenizer().to_json().at("tokenizer"), "gpt2");
  // A folder of tokens is one whoever reads it.
  Config bin = config();
  bin.data.dataset = DatasetKind::kBin;
  bin.data.path = (folder_.path() / "data/gpt2" / name_of(kText)).string();
  EXPECT_EQ(open(bin)->hash(), data->hash());
  EXPECT_TRUE(open(bin)->tokenizer().is_bpe());
}

TEST_F(EncodedText, SaysWhatToDoWhereItIsNotThere) {
  refuse(config(), {"DATA_PATH = ", "a text: no such file"});
  folder_.write("a text", "");
  refuse(config(), {"a text: is empty"});
  folder_.write("a text", kText);
  const std::string remedy = "`make data-bpe DATA_PATH='" + config().data.path + "'`";
  refuse(config(), {"DATA_PATH = ", "TOKENIZER = gpt2: the text's tokens are not there", remedy});
  prepare(name_of(kText), {1, 2, 3, 4, 5}, {5, 6, 7});
  EXPECT_NO_THROW(open(config()));
  folder_.write("a text", std::string(kText) + "!");
  refuse(config(), {"or were made of the text as it was before", remedy});
  folder_.write("a text", kText);
  EXPECT_NO_THROW(open(config()));
  refuse(config(50256), {"TOKENIZER = gpt2 has 50257 tokens, GPT2_VOCAB_SIZE = 50256", "to 50257 or more"});
}

TEST_F(EncodedText, NamesFilesThatAreNotWhatTheyWere) {
  folder_.write("a text", kText);
  const std::string folder = "data/gpt2/" + name_of(kText) + "/";
  const auto fresh = [&] { prepare(name_of(kText), {1, 2, 3, 4, 5}, {5, 6, 7}); };
  for (const char* name : {"train.bin", "val.bin", "vocab.bpe"}) {
    fresh();
    fs::remove(folder_.path() / folder / name);
    refuse(config(), {str(name, " is missing"), "`make data-bpe"});
    fresh();
    folder_.write(folder + name, uint16_text({1, 2}));
    refuse(config(), {str(name, " is not as it was written"), "`make data-bpe"});
  }
  for (const char* meta : {"", "[]", R"({"vocab_size": 50257, "sha256": 3})"}) {
    fresh();
    folder_.write(folder + "meta.json", meta);
    refuse(config(), {"train.bin is not as it was written", "`make data-bpe"});
  }
}

TEST_F(EncodedText, MayRepeatItself) {
  folder_.write("a text", kText);
  prepare(name_of(kText), {1, 2, 3, 1, 2, 3}, {1, 2, 3});
  EXPECT_THAT(join(open(config())->notes(), "\n"), HasSubstr("holds the whole validation split"));
}

// As of the same text's characters.
TEST_F(EncodedText, SaysWhatEditorsHideAndRefusesWhatIsNoText) {
  const std::string windows = "one\r\ntwo\r\n";
  folder_.write("a text", windows);
  prepare(name_of(windows), {1, 2, 3, 4, 5}, {5, 6, 7});
  EXPECT_THAT(join(open(config())->notes(), "\n"), HasSubstr("2 carriage returns"));
  folder_.write("a text", std::string(1000, '\0'));
  refuse(config(), {"no text: 1,000 of its first 1,000 bytes are NUL"});
}

TEST_F(EncodedText, OfThePlaysIsNamedByBoth) {
  Config plays = config();
  plays.data.dataset = DatasetKind::kShakespeare;
  refuse(plays, {"DATASET = shakespeare: ", "train.txt: no such file", "`make data`"});
  folder_.write("data/shakespeare/train.txt", "to be");
  folder_.write("data/shakespeare/validation.txt", "or not");
  refuse(plays, {"DATASET = shakespeare: TOKENIZER = gpt2: ", "`make data-bpe DATASET=shakespeare`"});
  const auto name = name_of(hex(sha256("to be")) + hex(sha256("or not")));
  prepare(name, {1, 2, 3, 4, 5}, {5, 6, 7});
  EXPECT_EQ(all(open(plays)->validation()), (Ids{5, 6, 7}));
  prepare(name, {1, 2, 3, 4, 5}, {3, 4, 5});
  refuse(plays, {"the training split holds the whole validation split"});
}

// As DATASET=bin reads them, ids are text by vocab.bpe beside meta.json alone.
TEST_F(EncodedText, MergesMustMakeTheVocabulary) {
  Config bin = config();
  bin.data.dataset = DatasetKind::kBin;
  bin.data.path = (folder_.path() / "tokens").string();
  folder_.write("tokens/train.bin", uint16_text({1, 2, 3, 4}));
  folder_.write("tokens/val.bin", uint16_text({5, 6, 7}));
  folder_.write("tokens/vocab.bpe", "#version: 0.2\na b\n");
  EXPECT_FALSE(open(bin)->tokenizer().is_bpe());
  folder_.write("tokens/meta.json", R"({"vocab_size": 258})");
  EXPECT_EQ(open(bin)->tokenizer().decode({256}), "ab");
  folder_.write("tokens/meta.json", R"({"vocab_size": 50257})");
  refuse(bin, {"meta.json: vocab_size = 50257, and ", "vocab.bpe makes 258 tokens"});
  folder_.write("tokens/vocab.bpe", "x");
  refuse(bin, {"vocab.bpe: no list of merges"});
}

}  // namespace
}  // namespace kablate
