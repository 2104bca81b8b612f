#include "data/lines_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "data/stream_dataset.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Ids = std::vector<std::int64_t>;

constexpr auto kNext = ObjectiveKind::kNextToken, kMasked = ObjectiveKind::kMaskedToken;

Config lines_config(const fs::path& path, ObjectiveKind objective, std::int64_t context = 8) {
  Config config;
  config.data.dataset = DatasetKind::kLines;
  config.data.path = path.string();
  config.gpt.vocabulary = 100, config.gpt.context = context;
  config.objective.kind = objective;
  return config;
}

std::string refusal(const Config& config) {
  return message_of<UserError>([&] { open_dataset(config, ""); });
}

Ids row(const at::Tensor& tensor_BT, std::int64_t b) {
  const at::Tensor row_T = tensor_BT[b].to(at::kLong).contiguous();
  return {row_T.const_data_ptr<std::int64_t>(), row_T.const_data_ptr<std::int64_t>() + row_T.numel()};
}

class Lines : public testing::Test {
 protected:
  std::shared_ptr<const Dataset> open(const std::string& text, ObjectiveKind objective,
                                      std::int64_t context = 8) {
    return open_dataset(config(text, objective, context), "");
  }
  Config config(const std::string& text, ObjectiveKind objective, std::int64_t context = 8) {
    return lines_config(folder_.write("a.txt", text), objective, context);
  }
  std::string message(const std::string& text, ObjectiveKind objective) {
    return refusal(config(text, objective));
  }

  TemporaryFolder folder_;
};

// Ids: newline 0, a 1, b 2, é 3.
constexpr const char* kText = "ab\naéb\nb\nbaba\nab\na\nb\néé\naa\nb\né\n";  // 11 lines, 9 train

TEST_F(Lines, AreSequencesOfCharactersWithTheirNewlines) {
  const auto data = open(kText, kNext);
  const auto* lines = lines_of(*data);
  ASSERT_NE(lines, nullptr);
  EXPECT_EQ(data->vocabulary(), 4);
  EXPECT_EQ(data->tokenizer().vocabulary(), 4);
  EXPECT_EQ(data->num_windows(Split::kTrain, 2), 9);
  EXPECT_EQ(data->num_windows(Split::kValidation, 100), 2);
  EXPECT_EQ(lines->line(Split::kTrain, 1), (Ids{1, 3, 2, 0}));
  EXPECT_EQ(lines->line(Split::kTrain, 8), (Ids{1, 1, 0}));
  EXPECT_EQ(lines->line(Split::kValidation, 0), (Ids{2, 0}));
  EXPECT_EQ(data->tokenizer().decode(lines->line(Split::kValidation, 1)), "é\n");
  EXPECT_THROW(lines->line(Split::kTrain, 9), std::out_of_range);
  EXPECT_THROW(data->windows(Split::kValidation, Ids{2}, 4), std::out_of_range);
}

TEST_F(Lines, SplitAtNineTenthsOfAnyNumber) {
  for (const int n : {2, 9, 10, 11, 19, 20, 1001}) {
    std::string text;
    for (int i = 0; i < n; ++i) text += "ab\n";
    const auto data = open(text, kNext);
    EXPECT_EQ(data->num_windows(Split::kTrain, 4), static_cast<std::int64_t>(n * 0.9)) << n;
    EXPECT_EQ(data->num_windows(Split::kTrain, 4) + data->num_windows(Split::kValidation, 4), n);
  }
}

TEST_F(Lines, AreShiftedCutAndPaddedForTheNextToken) {
  const auto batch = open(kText, kNext)->windows(Split::kTrain, Ids{0, 3, 2}, 3);  // ab, baba, b
  EXPECT_EQ(row(batch.inputs, 0), (Ids{1, 2, 0}));
  EXPECT_EQ(row(batch.targets, 0), (Ids{2, 0, kIgnoreIndex}));
  EXPECT_EQ(row(batch.keep, 0), (Ids{1, 1, 0}));
  EXPECT_EQ(row(batch.inputs, 1), (Ids{2, 1, 2}));
  EXPECT_EQ(row(batch.targets, 1), (Ids{1, 2, 1})) << "the last target is token T + 1";
  EXPECT_EQ(row(batch.keep, 1), (Ids{1, 1, 1}));
  EXPECT_EQ(row(batch.inputs, 2), (Ids{2, 0, 0}));
  EXPECT_EQ(row(batch.targets, 2), (Ids{0, kIgnoreIndex, kIgnoreIndex}));
  EXPECT_EQ(row(batch.keep, 2), (Ids{1, 0, 0}));
  EXPECT_EQ(batch.samples, (std::vector<std::uint64_t>{0, 3, 2}));
  EXPECT_FALSE(batch.weights.defined());
  EXPECT_EQ(batch.keep.scalar_type(), at::kBool);
}

TEST_F(Lines, AreWholeForMaskedTokens) {
  const auto batch = open(kText, kMasked)->windows(Split::kTrain, Ids{0, 3}, 4);
  EXPECT_EQ(row(batch.inputs, 0), (Ids{1, 2, 0, 0}));
  EXPECT_EQ(row(batch.targets, 0), (Ids{1, 2, 0, kIgnoreIndex}));
  EXPECT_EQ(row(batch.keep, 0), (Ids{1, 1, 1, 0}));
  EXPECT_EQ(row(batch.inputs, 1), (Ids{2, 1, 2, 1})) << "cut";
  EXPECT_EQ(row(batch.keep, 1), (Ids{1, 1, 1, 1}));
}

TEST_F(Lines, HaveAMaskWhateverTheBatch) {
  const auto batch = open("abc\nabc\n", kNext)->windows(Split::kTrain, Ids{0}, 3);
  ASSERT_TRUE(batch.keep.defined()) << "nothing is padded";
  EXPECT_TRUE(batch.keep.all().item<bool>());
}

TEST_F(Lines, ComeOnceAnEpochInAKeyedOrder) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += std::string(static_cast<std::size_t>(i + 1), 'a') + "\n";
  const auto data = open(text, kNext, 40);  // 27 train, told apart by their lengths
  const auto lengths = [&](std::uint64_t seed, std::uint64_t first, std::int64_t count) {
    const auto batch = data->samples(seed, first, count, 40);
    for (std::int64_t b = 0; b < count; ++b)
      EXPECT_EQ(batch.samples[static_cast<std::size_t>(b)], first + static_cast<std::uint64_t>(b));
    Ids result;
    for (std::int64_t b = 0; b < count; ++b) result.push_back(batch.keep[b].sum().item<std::int64_t>());
    return result;
  };
  Ids all(27);
  std::iota(all.begin(), all.end(), 1);
  std::vector<Ids> epochs;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.push_back(lengths(5, epoch * 27, 27));
    EXPECT_THAT(epochs.back(), testing::UnorderedElementsAreArray(all));
    EXPECT_NE(epochs.back(), all);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(lengths(6, 0, 27), epochs[0]) << "another seed, another order";
  // A sample is a function of its number, whatever the batch, across epochs too.
  Ids whole = epochs[0];
  whole.insert(whole.end(), epochs[1].begin(), epochs[1].end());
  EXPECT_EQ(lengths(5, 20, 14), Ids(whole.begin() + 20, whole.begin() + 34));
}

TEST_F(Lines, LackingTheLastNewlineAreReadAsIfTheyHadIt) {
  const std::string text = "ab\nba\naa\nab\nab\nab\nab\nab\nab\nab\nbb\nba";  // 10 of 12 train
  const auto data = open(text, kNext);
  EXPECT_EQ(data->num_windows(Split::kValidation, 4), 2);
  EXPECT_EQ(lines_of(*data)->line(Split::kValidation, 1), (Ids{2, 1, 0}));
  EXPECT_THAT(data->notes(), ElementsAre(HasSubstr("its last line has no newline"),
                                         HasSubstr("1 of 2 validation lines (50.0 %)")));
  EXPECT_NE(data->hash(), open(text + "\n", kNext)->hash());
}

TEST_F(Lines, AreNotedWhereTheyAreCutOrStandInBothSplits) {
  EXPECT_THAT(open("abc\nab\n", kNext, 3)->notes(), IsEmpty());
  EXPECT_THAT(open("abc\nab\n", kMasked, 3)->notes(),
              ElementsAre(AllOf(HasSubstr("1 of 2 lines have more than 3 tokens"),
                                HasSubstr("GPT2_BLOCK_SIZE = 3"), HasSubstr("longest has 4"))));
  EXPECT_THAT(open("abc\nab\n", kNext, 2)->notes(),
              ElementsAre(HasSubstr("1 of 2 lines have more than 3 tokens")));
  EXPECT_THAT(open("ab\r\nac\r\n", kNext)->notes(), ElementsAre(HasSubstr("2 carriage returns")));
}

TEST_F(Lines, ThatAreEmptyAreSequencesOfANewlineForMaskedTokensAlone) {
  const auto batch = open("\nab\nab\n", kMasked)->windows(Split::kTrain, Ids{0}, 4);
  EXPECT_EQ(row(batch.inputs, 0), (Ids{0, 0, 0, 0}));
  EXPECT_EQ(row(batch.keep, 0), (Ids{1, 0, 0, 0}));
  EXPECT_EQ(row(batch.targets, 0), (Ids{0, kIgnoreIndex, kIgnoreIndex, kIgnoreIndex}));
  EXPECT_THAT(message("ab\nab\n\nab\n\n", kNext),
              AllOf(HasSubstr("a.txt:3: an empty line"), HasSubstr("2 of 5"), HasSubstr("next_token"),
                    HasSubstr("delete them")));
}

TEST_F(Lines, SayWhatIsWrong) {
  EXPECT_THAT(message("abcd\n", kNext), AllOf(HasSubstr("a.txt: has 1 line"), HasSubstr("needs 2 or more")));
  EXPECT_THAT(message("abcd", kMasked), HasSubstr("needs 2 or more"));
  EXPECT_THAT(message("", kNext), AllOf(HasSubstr("is empty"), HasSubstr("a sequence a line")));
  EXPECT_THAT(message("ab\nab\xC3\n", kNext), HasSubstr("not UTF-8 at byte 5"));
  EXPECT_THAT(message(std::string(100, '\0'), kNext), HasSubstr("no text: 100 of its first 100"));
  EXPECT_THAT(refusal(lines_config("", kNext)),
              AllOf(HasSubstr("DATA_PATH is empty: DATASET = lines needs")));
  EXPECT_THAT(refusal(lines_config(folder_.path() / "none", kNext)),
              AllOf(HasSubstr("no such file"), HasSubstr("DATASET = lines")));
}

TEST_F(Lines, AreNumberedByAGivenAlphabet) {
  const auto known = Tokenizer::of_characters(U"\nabc");
  const auto data = open_dataset(config("cb\ncc\n", kMasked), "", &known);
  EXPECT_EQ(data->vocabulary(), 4) << "the mask token of the model";
  EXPECT_EQ(lines_of(*data)->line(Split::kTrain, 0), (Ids{3, 2, 0}));
  EXPECT_THAT(message_of<UserError>([&] { open_dataset(config("xb\ncc\n", kNext), "", &known); }),
              HasSubstr("the first U+0078"));
}

TEST_F(Lines, AreOtherDataThanTheirText) {
  const std::string text = "ab\nba\nab\nba\nab\nba\nab\nba\nab\nbb\n";
  auto as_text = config(text, kNext, 2);
  const auto lines = open_dataset(as_text, "");
  as_text.data.dataset = DatasetKind::kText;
  const auto stream = open_dataset(as_text, "");
  EXPECT_NE(lines->hash(), stream->hash());
  EXPECT_EQ(lines->hash(), open(text, kMasked)->hash());
  EXPECT_NE(open("ab\nba\n", kMasked)->hash(), open("ab\nbb\n", kMasked)->hash());
  EXPECT_EQ(lines_of(*stream), nullptr);
}

// What stands behind the data's ids is the mask token's.
class MaskRoom : public testing::Test {
 protected:
  Config config(DatasetKind kind, const fs::path& path, std::int64_t vocabulary,
                ObjectiveKind objective = kMasked) {
    Config config = lines_config(path, objective, 2);
    config.data.dataset = kind, config.gpt.vocabulary = vocabulary;
    return config;
  }
  fs::path bin(const std::vector<int>& tokens) {
    std::string bytes;
    for (const int token : tokens) bytes += {static_cast<char>(token & 255), static_cast<char>(token >> 8)};
    const auto folder = folder_.path() / "bin";
    fs::create_directories(folder);
    folder_.write("bin/train.bin", bytes);
    folder_.write("bin/val.bin", bytes.substr(2) + bytes.substr(0, 2));
    return folder;
  }

  TemporaryFolder folder_;
};

TEST_F(MaskRoom, IsAskedOfCharacters) {
  const auto path = folder_.write("a.txt", "abcd\nabdc\nacbd\nadcb\nbacd\nbadc\nbcad\n");  // 5 characters
  for (const auto kind : {DatasetKind::kText, DatasetKind::kLines}) {
    EXPECT_EQ(open_dataset(config(kind, path, 6), "")->vocabulary(), 5);
    EXPECT_THAT(refusal(config(kind, path, 5)),
                AllOf(HasSubstr("5 distinct characters"), HasSubstr("GPT2_VOCAB_SIZE = 5"),
                      HasSubstr("OBJECTIVE = masked_token"), HasSubstr("GPT2_VOCAB_SIZE to 6 or more")));
    EXPECT_EQ(open_dataset(config(kind, path, 5, kNext), "")->vocabulary(), 5);
    EXPECT_THAT(refusal(config(kind, path, 4, kNext)),
                AllOf(HasSubstr("GPT2_VOCAB_SIZE to 5 or more"), Not(HasSubstr("masked_token"))));
    EXPECT_EQ(needed_vocabulary(config(kind, path, 3), ""), 6);
    EXPECT_EQ(needed_vocabulary(config(kind, path, 0, kNext), ""), 5);
  }
}

TEST_F(MaskRoom, IsAskedOfTokenFiles) {
  const auto path = bin({4, 0, 1, 2, 3, 4, 1, 0});
  const auto kind = DatasetKind::kBin;
  EXPECT_EQ(open_dataset(config(kind, path, 6), "")->vocabulary(), 5);
  EXPECT_EQ(open_dataset(config(kind, path, 9), "")->vocabulary(), 5);
  EXPECT_EQ(open_dataset(config(kind, path, 9), "")->tokenizer().vocabulary(), 5);
  EXPECT_EQ(open_dataset(config(kind, path, 9, kNext), "")->tokenizer().vocabulary(), 9);
  EXPECT_THAT(refusal(config(kind, path, 5)), AllOf(HasSubstr("token 4 at byte 0"), HasSubstr("masked_token"),
                                                    HasSubstr("GPT2_VOCAB_SIZE to 6")));
  EXPECT_EQ(needed_vocabulary(config(kind, path, 0), ""), 6);
  EXPECT_EQ(needed_vocabulary(config(kind, path, 0, kNext), ""), 5);
  folder_.write("bin/meta.json", R"({"vocab_size": 7})");
  EXPECT_EQ(open_dataset(config(kind, path, 8), "")->vocabulary(), 7);
  EXPECT_THAT(refusal(config(kind, path, 7)), AllOf(HasSubstr("vocab_size = 7"), HasSubstr("masked_token"),
                                                    HasSubstr("GPT2_VOCAB_SIZE to 8")));
  EXPECT_EQ(needed_vocabulary(config(kind, path, 0), ""), 8);
}

// Where a model that masks is evaluated on other data, its mask token stays where it was.
TEST_F(MaskRoom, OfAModelHoldsForOtherData) {
  const auto known = Tokenizer::of_numbers(5, {0, 1, 2, 3, 4});
  const auto kind = DatasetKind::kBin;
  EXPECT_EQ(open_dataset(config(kind, bin({1, 0, 1, 2, 2, 0, 1}), 9), "", &known)->vocabulary(), 5);
  const auto larger = config(kind, bin({5, 0, 1, 2, 3, 4, 1, 0}), 9);
  EXPECT_THAT(message_of<UserError>([&] { open_dataset(larger, "", &known); }),
              AllOf(HasSubstr("token 5 at byte 0"), HasSubstr("the model's data have 5 ids")));
  folder_.write("bin/meta.json", R"({"vocab_size": 6})");
  EXPECT_THAT(message_of<UserError>([&] { open_dataset(larger, "", &known); }),
              AllOf(HasSubstr("vocab_size = 6"), HasSubstr("the model's data have 5 ids")));
}

TEST_F(MaskRoom, NeedsTheData) {
  EXPECT_THAT(message_of<UserError>(
                  [&] { needed_vocabulary(config(DatasetKind::kText, folder_.path() / "none", 0), ""); }),
              AllOf(HasSubstr("GPT2_VOCAB_SIZE = 0"), HasSubstr("no such file"), HasSubstr("to a number")));
}

}  // namespace
}  // namespace kablate
