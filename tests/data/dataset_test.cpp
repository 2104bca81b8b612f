#include "data/stream_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "support/core/token_bytes.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

Config config_of(DatasetKind kind, const fs::path& path, std::int64_t vocabulary = 100,
                 std::int64_t context = 2) {
  Config config;
  config.data.dataset = kind;
  config.data.path = path.string();
  config.gpt.vocabulary = vocabulary;
  config.gpt.context = context;
  return config;
}

Config text_config(const fs::path& path, std::int64_t vocabulary = 100, std::int64_t context = 2) {
  return config_of(DatasetKind::kText, path, vocabulary, context);
}

Config bin_config(const fs::path& path, std::int64_t vocabulary = 65536, std::int64_t context = 2) {
  return config_of(DatasetKind::kBin, path, vocabulary, context);
}

std::vector<std::int64_t> all(const TokenStream& tokens) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(tokens.size()));
  tokens.copy(0, tokens.size(), values.data());
  return values;
}

std::shared_ptr<const StreamDataset> open_streams(const Config& config, const fs::path& data_folder) {
  return std::dynamic_pointer_cast<const StreamDataset>(open_dataset(config, data_folder));
}

// That opening fails with a message that has all these parts.
void expect_refused(const Config& config, const fs::path& data_folder,
                    const std::vector<std::string>& parts) {
  const auto message = message_of<UserError>([&] { open_dataset(config, data_folder); });
  for (const auto& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

TEST(TextData, IdsGoByCodePointAndNineTenthsTrain) {
  const TemporaryFolder folder;
  // 21 characters: floor(0.9 * 21) = 18 train. The last one stands in the validation split only.
  const auto data = open_streams(text_config(folder.write("a.txt", "cab é😀cab cab cab czz")), "");
  EXPECT_EQ(data->vocabulary(), 7);  // blank a b c z é 😀
  EXPECT_EQ(all(data->train()),
            (std::vector<std::int64_t>{3, 1, 2, 0, 5, 6, 3, 1, 2, 0, 3, 1, 2, 0, 3, 1, 2, 0}));
  EXPECT_EQ(all(data->validation()), (std::vector<std::int64_t>{3, 4, 4}));
  EXPECT_EQ(data->tokenizer().decode(all(data->train())), "cab é😀cab cab cab ");
  EXPECT_EQ(data->tokenizer().vocabulary(), data->vocabulary());
}

TEST(TextData, SplitsAsNanoGptDoesAtAnyLength) {
  const TemporaryFolder folder;
  for (const int n : {30, 31, 35, 39, 40, 1001}) {
    const auto data = open_streams(text_config(folder.write("a.txt", std::string(n, 'x'))), "");
    EXPECT_EQ(data->train().size(), static_cast<std::int64_t>(n * 0.9)) << n;
    EXPECT_EQ(data->train().size() + data->validation().size(), n);
  }
}

TEST(TextData, KeepsMoreCharactersThanTwoBytesCount) {
  std::string text;
  const TemporaryFolder folder;
  const auto put = [&](std::uint32_t point) {
    for (const std::uint32_t shift : {18u, 12u, 6u, 0u})
      text += static_cast<char>(shift == 18 ? 0xF0 | point >> 18 : 0x80 | (point >> shift & 63));
  };
  for (std::uint32_t point = 0x10000; point < 0x10000 + 70000; ++point) put(point);
  const auto data = open_streams(text_config(folder.write("a.txt", text), 70000), "");
  EXPECT_EQ(data->vocabulary(), 70000);
  EXPECT_EQ(data->train()[62999], 62999);
  EXPECT_EQ(data->validation()[6999], 69999);
}

TEST(TextData, IsNumberedByAGivenAlphabet) {
  const TemporaryFolder folder;
  const auto config = text_config(folder.write("a.txt", "bdbdbdbdbdbdbdbdbdbdbdbd"));
  const auto known = Tokenizer::of_characters(U"abcde");
  const auto data = std::dynamic_pointer_cast<const StreamDataset>(open_dataset(config, "", &known));
  EXPECT_EQ(data->vocabulary(), 5);
  EXPECT_EQ(data->train()[0], 1);
  EXPECT_EQ(data->validation()[2], 3);
  EXPECT_EQ(data->tokenizer().to_json(), known.to_json());
  const auto other = Tokenizer::of_characters(U"abc");
  const auto message = message_of<UserError>([&] { open_dataset(config, "", &other); });
  EXPECT_THAT(message, HasSubstr("1 characters that the model's data had not, the first U+0064"));
}

TEST(TextData, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto in = [&](const char* name) { return folder.path() / name; };
  const std::string good(100, 'x');
  fs::create_symlink("loop", in("loop"));
  ASSERT_EQ(::mkfifo(in("pipe").c_str(), 0600), 0);
  expect_refused(text_config(""), "", {"DATA_PATH is empty", "DATASET = text", "UTF-8"});
  expect_refused(text_config("~/a.txt"), "", {"DATA_PATH = ~/a.txt", "not expanded"});
  expect_refused(text_config(in("none")), "",
                 {"DATA_PATH = " + in("none").string(), "no such file", "UTF-8 text file"});
  expect_refused(text_config(folder.path()), "", {"is a folder, not a file", "UTF-8 text file"});
  expect_refused(text_config(in("loop")), "", {"can't be read"});
  expect_refused(text_config(in("pipe")), "", {"is a pipe, not a file"});
  expect_refused(text_config(folder.write("empty", "")), "", {"is empty", "UTF-8 text file"});
  expect_refused(text_config(folder.write("latin", good + "\xE9t\xE9")), "",
                 {"latin: not UTF-8 at byte 100 (0xE9)", "iconv"});
  expect_refused(text_config(folder.write("cut", good + "\xC3")), "", {"cut: not UTF-8 at byte 100"});
}

// Kept, since they are in the file; named, since nanoGPT's preparation or an editor would not show them.
TEST(TextData, NamesCharactersThatEditorsHide) {
  const TemporaryFolder folder;
  std::string plain;
  for (int line = 0; line < 20; ++line) plain += str("line ", line, "\n");
  const auto notes = [&](const std::string& text) {
    const auto data = open_streams(text_config(folder.write("a.txt", text)), "");
    EXPECT_EQ(
        data->tokenizer().decode(all(data->train())) + data->tokenizer().decode(all(data->validation())),
        text);
    return join(data->notes(), "\n");
  };
  EXPECT_EQ(notes(plain), "");
  EXPECT_EQ(notes(plain + "\u00E9\uFEFF"), "") << "a mark is one at the start only";
  EXPECT_THAT(notes("\xEF\xBB\xBF" + plain), HasSubstr("a.txt: begins with a byte-order mark"));
  EXPECT_THAT(notes(plain + "one\r\ntwo\r\n"), HasSubstr("a.txt: has 2 carriage returns"));
  EXPECT_THAT(notes("a" + std::string(3, '\0') + plain),
              HasSubstr("a.txt: has 3 NUL characters, the first at byte 1"));
}

TEST(TextData, RefusesAFileThatWasNeverWritten) {
  const TemporaryFolder folder;
  const auto path = folder.write("hole", "");
  fs::resize_file(path,
                  std::uintmax_t{1} << 30);  // refused by its first bytes: reading all of it takes seconds
  expect_refused(text_config(path), "", {"hole: no text: 1,048,576 of its first 1,048,576 bytes are NUL"});
  expect_refused(text_config(folder.write("short", std::string(95, '\0') + "12345")), "",
                 {"short: no text: 95 of its"});
  EXPECT_NO_THROW(
      open_dataset(text_config(folder.write("half", std::string(50, '\0') + std::string(50, 'x'))), ""));
}

TEST(TextData, RefusesAVocabularyThatIsTooSmall) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "abcdefghij abcdefghij abcdefghij");
  EXPECT_EQ(open_dataset(text_config(path, 11), "")->vocabulary(), 11);
  EXPECT_EQ(open_dataset(text_config(path, 50304), "")->vocabulary(), 11);
  expect_refused(text_config(path, 10), "",
                 {"11 distinct characters", "GPT2_VOCAB_SIZE = 10", "to 11 or more"});
}

TEST(TextData, RefusesASplitThatIsTooShort) {
  const TemporaryFolder folder;
  const auto of_length = [&](int n) { return folder.write("a.txt", std::string(n, 'x')); };
  // Validation needs context + 1 of the last tenth, training twice the context.
  EXPECT_NO_THROW(open_dataset(text_config(of_length(50), 9, 4), ""));
  expect_refused(text_config(of_length(40), 9, 4), "",
                 {"validation", "4 tokens", "GPT2_BLOCK_SIZE = 4", "at least 5"});
  const auto data = folder.path();
  const std::string long_enough(50, 'x');
  folder.write("shakespeare/train.txt", std::string(7, 'x'));
  folder.write("shakespeare/validation.txt", long_enough);
  expect_refused(config_of(DatasetKind::kShakespeare, "", 9, 4), data,
                 {"training", "7 tokens", "at least 8"});
  folder.write("shakespeare/train.txt", std::string(8, 'x'));
  EXPECT_NO_THROW(open_dataset(config_of(DatasetKind::kShakespeare, "", 9, 4), data));
}

TEST(ShakespeareData, HasTheCharactersOfBothFiles) {
  const TemporaryFolder folder;
  folder.write("shakespeare/train.txt", "bbbb");
  folder.write("shakespeare/validation.txt", "aac");
  const auto data = open_streams(config_of(DatasetKind::kShakespeare, "", 3), folder.path());
  EXPECT_EQ(all(data->train()), (std::vector<std::int64_t>{1, 1, 1, 1}));
  EXPECT_EQ(all(data->validation()), (std::vector<std::int64_t>{0, 0, 2}));
  expect_refused(config_of(DatasetKind::kShakespeare, "", 2), folder.path(),
                 {"3 distinct", "GPT2_VOCAB_SIZE = 2"});
}

TEST(ShakespeareData, SaysHowToGetIt) {
  const TemporaryFolder folder;
  const auto config = config_of(DatasetKind::kShakespeare, "");
  expect_refused(config, folder.path(),
                 {"DATASET = shakespeare", "train.txt", "no such file", "`make data`"});
  folder.write("shakespeare/train.txt", "bbbbbb");
  expect_refused(config, folder.path(), {"validation.txt", "no such file", "`make data`"});
}

TEST(BinData, MapsNanoGptsFiles) {
  const TemporaryFolder folder;
  folder.write("train.bin", uint16_text({0, 255, 256, 65535, 7}));
  folder.write("val.bin", uint16_text({1, 2, 3}));
  const auto data = open_streams(bin_config(folder.path()), "");
  EXPECT_EQ(all(data->train()), (std::vector<std::int64_t>{0, 255, 256, 65535, 7}));
  EXPECT_EQ(all(data->validation()), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(data->vocabulary(), 65536);
  EXPECT_FALSE(data->tokenizer().is_characters());
  EXPECT_EQ(data->tokenizer().ids(), (std::vector<std::int64_t>{0, 1, 2, 3, 7, 255, 256, 65535}));
  EXPECT_TRUE(data->notes().empty());
  EXPECT_EQ(data->tokenizer().vocabulary(), 65536);
}

TEST(BinData, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto config = bin_config(folder.path(), 100);
  const std::string label = "DATA_PATH = " + folder.path().string();
  expect_refused(bin_config(""), "", {"DATA_PATH is empty", "train.bin and val.bin"});
  expect_refused(bin_config(folder.path() / "none"), "", {"train.bin: no such file", "prepare.py"});
  expect_refused(bin_config(folder.write("file", "x")), "", {"is a file, not a folder", "train.bin"});
  expect_refused(config, "", {label + ": train.bin: no such file", "prepare.py"});
  folder.write("train.bin", uint16_text({1, 2, 3, 4}));
  expect_refused(config, "", {"val.bin: no such file"});
  folder.write("val.bin", "");
  expect_refused(config, "", {"val.bin: is empty"});
  folder.write("val.bin", uint16_text({1, 2, 3}) + "x");
  expect_refused(config, "", {"val.bin: 7 bytes", "cut short"});
  folder.write("val.bin", uint16_text({1, 2, 100, 999}));
  expect_refused(
      config, "",
      {"val.bin: token 100 at byte 4", "largest is 999", "GPT2_VOCAB_SIZE = 100", "to 1000 or more"});
  folder.write("val.bin", uint16_text({1, 2, 100}));  // the first id that is too large
  expect_refused(config, "", {"val.bin: token 100 at byte 4", "to 101 or more"});
  folder.write("val.bin", uint16_text({2, 1}));
  expect_refused(config, "", {"validation split has 2 tokens", "at least 3"});
  folder.write("val.bin", uint16_text({1, 2, 99}));
  EXPECT_EQ(open_dataset(config, "")->vocabulary(), 100);
}

TEST(BinData, NamesFilesOfAnotherForm) {
  const TemporaryFolder folder;
  const auto config = bin_config(folder.path(), 100);
  std::vector<int> ids;
  for (int i = 0; i < 2000; ++i) ids.push_back(i % 2 == 0 ? i / 2 % 97 : 0);  // 32-bit ids below 97
  folder.write("train.bin", uint16_text(ids));
  folder.write("val.bin", uint16_text({1, 2, 3}));
  expect_refused(config, "", {"train.bin: holds 32-bit numbers", "uint16"});
  folder.write("train.bin", uint16_text({1, 2, 3, 4}));
  folder.write("val.bin", "\x93NUMPY\1");
  expect_refused(config, "", {"val.bin: is an array with NumPy's header"});
  folder.write("val.bin", uint16_text({0x0102, 0x0503, 0x6362}));
  expect_refused(config, "", {"token 258 at byte 0", "GPT2_VOCAB_SIZE = 100; every byte", "8-bit ids?"});
}

TEST(BinData, MayNotTrainOnItsValidationSplit) {
  const TemporaryFolder folder;
  const auto config = bin_config(folder.path(), 100);
  folder.write("train.bin", uint16_text({1, 2, 3, 4, 5, 6, 7, 8}));
  for (const auto& [validation, place] : std::vector<std::pair<std::vector<int>, std::string>>{
           {{1, 2, 3, 4, 5, 6, 7, 8}, "0"}, {{1, 2, 3}, "0"}, {{5, 6, 7, 8}, "4"}}) {
    folder.write("val.bin", uint16_text(validation));
    expect_refused(
        config, "",
        {"DATA_PATH = ", "holds the whole validation split, from token " + place + ":", "another val.bin"});
  }
  folder.write("val.bin", uint16_text({5, 6, 7, 9}));
  EXPECT_NO_THROW(open_dataset(config, ""));
}

TEST(TextData, NotesThatItRepeatsItself) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 20; ++i) text += "again ";
  EXPECT_THAT(open_dataset(text_config(folder.write("text", text)), "")->notes(),
              ElementsAre(HasSubstr("holds the whole validation split, from token 0")));
  EXPECT_TRUE(open_dataset(text_config(folder.write("text", text + "!")), "")->notes().empty());

  folder.write("shakespeare/train.txt", "to be or not");
  folder.write("shakespeare/validation.txt", "not");
  expect_refused(config_of(DatasetKind::kShakespeare, ""), folder.path(),
                 {"DATASET = shakespeare: the training split holds", "`make data`"});
}

TEST(BinData, NamesAnEndOfZeros) {
  const TemporaryFolder folder;
  std::vector<int> ids{1, 2, 3};
  folder.write("val.bin", uint16_text({3, 2, 1}));
  ids.resize(1002);
  folder.write("train.bin", uint16_text(ids));
  EXPECT_TRUE(open_dataset(bin_config(folder.path()), "")->notes().empty());
  ids.resize(1003);
  folder.write("train.bin", uint16_text(ids));
  EXPECT_THAT(open_dataset(bin_config(folder.path()), "")->notes(),
              ElementsAre(HasSubstr("train.bin: its last 1,000 of 1,003 tokens are 0")));
}

TEST(DataHash, DependsOnKindAndContentNotOnThePath) {
  const TemporaryFolder a, b;
  const std::string text = "abcdefghijklmnopqrstuvwxyz";
  const auto text_hash = [](const fs::path& path) { return open_dataset(text_config(path), "")->hash(); };
  const auto play_hash = [](const fs::path& folder) {
    return open_dataset(config_of(DatasetKind::kShakespeare, ""), folder)->hash();
  };
  const auto bin_hash = [](const fs::path& folder) { return open_dataset(bin_config(folder), "")->hash(); };
  const auto first = text_hash(a.write("one.txt", text));
  EXPECT_EQ(first.size(), 64u);
  EXPECT_EQ(first, text_hash(b.write("deeper/two.txt", text)));
  EXPECT_NE(first, text_hash(b.write("three.txt", text.substr(0, 25) + "y")));

  // Both splits count, and where one ends.
  const auto plays = [&](const TemporaryFolder& folder, std::size_t cut) {
    folder.write("shakespeare/train.txt", text.substr(0, cut));
    folder.write("shakespeare/validation.txt", text.substr(cut));
    return play_hash(folder.path());
  };
  EXPECT_EQ(plays(a, 20), plays(b, 20));
  EXPECT_NE(plays(a, 20), plays(b, 21));
  EXPECT_NE(plays(a, 20), first);

  const auto bins = [&](const TemporaryFolder& folder, std::size_t cut) {
    folder.write("train.bin", text.substr(0, cut));
    folder.write("val.bin", text.substr(cut));
    return bin_hash(folder.path());
  };
  EXPECT_EQ(bins(a, 20), bins(b, 20));
  EXPECT_NE(bins(a, 20), bins(b, 18));
  EXPECT_NE(bins(a, 20), plays(a, 20));
}

TEST(TokenStream, GuardsItsEnds) {
  const TemporaryFolder folder;
  const auto data = open_streams(text_config(folder.write("a.txt", std::string(100, 'x'))), "");
  std::int64_t out[90];
  EXPECT_NO_THROW(data->train().copy(0, 90, out));
  EXPECT_NO_THROW(data->train().copy(90, 0, out));
  EXPECT_THROW(data->train().copy(1, 90, out), std::out_of_range);
  EXPECT_THROW(data->train().copy(-1, 1, out), std::out_of_range);
  EXPECT_THROW(data->train()[90], std::out_of_range);
}

TEST(TokenStream, OutlivesItsDataset) {
  const TemporaryFolder folder;
  folder.write("train.bin", uint16_text({1, 2, 3, 4}));
  folder.write("val.bin", uint16_text({3, 2, 1}));
  const TokenStream mapped = open_streams(bin_config(folder.path()), "")->train();
  const TokenStream owned =
      open_streams(text_config(folder.write("a.txt", std::string(100, 'x'))), "")->train();
  EXPECT_EQ(mapped[3], 4);
  EXPECT_EQ(owned[89], 0);
}

}  // namespace
}  // namespace kablate
