// Token files: which ones a path means, what their headers and meta.json say, and that many are not read to
// be opened.
#include <chrono>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "config/config.h"
#include "data/file_hashes.h"
#include "data/stream_dataset.h"
#include "record/seal.h"
#include "support/core/expect_error.h"
#include "support/core/token_bytes.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

// llm.c's header: 256 int32.
std::string header(std::uint32_t count, std::uint32_t magic = 20240520, std::uint32_t version = 1) {
  std::string bytes;
  for (const auto word : {magic, version, count})
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift & 255);
  bytes.resize(1024);
  return bytes;
}

std::string shard(const Ids& tokens) {
  return header(static_cast<std::uint32_t>(tokens.size())) + uint16_text(tokens);
}

class BinFiles : public testing::Test {
 protected:
  Config config(const std::string& path, std::int64_t vocabulary = 100, std::int64_t context = 2) const {
    Config config;
    config.data.dataset = DatasetKind::kBin;
    config.data.path = (folder_.path() / path).string();
    config.gpt.vocabulary = vocabulary;
    config.gpt.context = context;
    return config;
  }
  std::shared_ptr<const StreamDataset> open(const Config& config) const {
    return std::dynamic_pointer_cast<const StreamDataset>(open_dataset(config, ""));
  }
  void refuse(const Config& config, const std::vector<std::string>& parts) const {
    const auto message = message_of<UserError>([&] { open_dataset(config, ""); });
    for (const auto& part : parts) EXPECT_THAT(message, HasSubstr(part));
  }
  static Ids all(const TokenStream& tokens) {
    Ids values(static_cast<std::size_t>(tokens.size()));
    tokens.copy(0, tokens.size(), values.data());
    return values;
  }
  // A shard of so many zeros that take no room on the disk, but for `token` at `place`.
  void write_sparse(const std::string& name, std::uint32_t count, std::uint32_t place, char token) const {
    const auto path = folder_.write(name, header(count));
    fs::resize_file(path, 1024 + std::uintmax_t{2} * count);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1024 + 2 * static_cast<std::streamoff>(place));
    file.put(token);
  }
  const TemporaryFolder folder_;
};

TEST_F(BinFiles, AGlobIsOneStreamInTheOrderOfNames) {
  folder_.write("web/part_000002.bin", shard({6, 7}));
  folder_.write("web/part_000010.bin", uint16_text({8, 9, 10}));
  folder_.write("web/part_000001.bin", shard({1, 2, 3, 4, 5}));
  folder_.write("web/part_val_1.bin", shard({12, 13, 14}));
  folder_.write("web/part_val_0.bin", shard({11}));
  folder_.write("web/other.txt", "none of them");
  for (const char* path : {"web/part_*.bin", "web/*.bin", "w[e]b/part_*", "web"}) {
    const auto data = open(config(path));
    EXPECT_EQ(all(data->train()), (Ids{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})) << path;
    EXPECT_EQ(all(data->validation()), (Ids{11, 12, 13, 14})) << path;
    EXPECT_EQ(data->tokenizer().ids().size(), 14u);
    Ids some(6);
    for (std::int64_t start = 0; start < 5; ++start) {  // over the ends of files
      data->train().copy(start, 6, some.data());
      EXPECT_EQ(some, (Ids{start + 1, start + 2, start + 3, start + 4, start + 5, start + 6}));
    }
    EXPECT_EQ(data->train()[4], 5);
    EXPECT_EQ(data->train()[5], 6);
  }
  EXPECT_EQ(all(open(config("web/part_*1.bin"))->train()), (Ids{1, 2, 3, 4, 5}));
}

TEST_F(BinFiles, AGlobLeavesOutWhatDescribesTheTokens) {
  folder_.write("web/train.bin", uint16_text({1, 2, 3, 4}));
  folder_.write("web/val.bin", uint16_text({5, 6, 7}));
  folder_.write("web/meta.json", R"({"vocab_size": 100, "tokenizer": "a"} )");
  EXPECT_EQ(all(open(config("web/*"))->train()), (Ids{1, 2, 3, 4}));
}

// "val" of a folder says nothing.
TEST_F(BinFiles, NamesOfFilesTellTheSplits) {
  folder_.write("eval/a.bin", uint16_text({1, 2, 3, 4}));
  folder_.write("eval/b.bin", uint16_text({1, 2, 3, 4}));
  refuse(config("eval/*.bin"), {"eval/*.bin: none of its 2 files have val in the name", "both splits"});
  folder_.write("val/val_a.bin", uint16_text({4, 3, 2, 1}));
  refuse(config("val/*.bin"), {"all of its 1 files has val in the name"});
  EXPECT_EQ(open(config("*al/*a.bin"))->train().size(), 4);
  refuse(config("none/*.bin"), {"none/*.bin: no file has such a name", "fineweb/*.bin"});
  refuse(config("eval/a.bin"), {"a.bin: is a file, not a folder"});
}

TEST_F(BinFiles, AShardThatIsNotWholeIsNamed) {
  folder_.write("val.bin", shard({3, 2, 1}));
  const auto train = [&](const std::string& bytes) { folder_.write("train.bin", bytes); };
  train(header(4, 20240520, 2) + uint16_text({1, 2, 3, 4}));
  refuse(config(""), {"train.bin: is llm.c's token file of version 2; allowed: version 1"});
  train(header(4) + uint16_text({1, 2, 3}));
  refuse(config(""), {"train.bin: llm.c's header says 4 tokens, which need 1032 bytes", "has 1030"});
  train(header(4) + uint16_text({1, 2, 3, 4, 5}));
  refuse(config(""), {"the file has 1034"});
  train(header(4, 20240801, 7) + std::string(16, '\1'));
  refuse(config(""), {"train.bin: is llm.c's token file of 32-bit ids"});
  train(shard({1, 2, 3, 100}));
  refuse(config(""), {"train.bin: token 100 at byte 1030", "GPT2_VOCAB_SIZE = 100", "to 101"});
  train(shard({1, 2, 3, 4}));
  EXPECT_EQ(open(config(""))->vocabulary(), 5);
}

TEST_F(BinFiles, MetaSaysTheVocabulary) {
  folder_.write("train.bin", uint16_text({1, 2, 3, 4}));
  folder_.write("val.bin", uint16_text({1, 2, 9}));
  const auto meta = [&](const std::string& text) { folder_.write("meta.json", text); };
  meta(R"({"vocab_size": 50, "tokenizer": "gpt2", "more": 1})");
  const auto data = open(config(""));
  EXPECT_EQ(data->vocabulary(), 50);
  EXPECT_EQ(data->tokenizer().vocabulary(), 50);
  EXPECT_EQ(data->tokenizer().ids(), (Ids{1, 2, 3, 4, 9})) << "what is drawn stood in the data";
  const auto json = data->tokenizer().to_json();
  EXPECT_EQ(json.at("tokenizer"), "gpt2");
  EXPECT_EQ(Tokenizer::from_json(json, "it").to_json(), json);
  refuse(config("", 49), {"meta.json: vocab_size = 50, GPT2_VOCAB_SIZE = 49", "to 50 or more"});
  meta(R"({"vocab_size": 9})");
  refuse(config(""), {"val.bin: token 9 at byte 4", "meta.json says vocab_size = 9; set that to 10"});
  for (const char* bad : {"", "[]", "{}", R"({"vocab_size": "50"})", R"({"vocab_size": 0})",
                          R"({"vocab_size": 65537})", R"({"vocab_size": 50, "tokenizer": 2})"}) {
    meta(bad);
    refuse(config(""), {"meta.json: ", "{\"vocab_size\": N, \"tokenizer\": \"NAME\"}"});
  }
}

TEST_F(BinFiles, FoldersOfOneGlobHaveOneVocabulary) {
  folder_.write("a/train.bin", uint16_text({1, 2, 3, 4}));
  folder_.write("b/val.bin", uint16_text({3, 2, 1}));
  folder_.write("a/meta.json", R"({"vocab_size": 50})");
  refuse(config("?/*.bin"), {"b/meta.json"});
  folder_.write("b/meta.json", R"({"vocab_size": 51})");
  refuse(config("?/*.bin"), {"b/meta.json: is another vocabulary than", "a/meta.json"});
  folder_.write("b/meta.json", R"({"vocab_size": 50})");
  EXPECT_EQ(open(config("?/*.bin"))->vocabulary(), 50);
}

TEST_F(BinFiles, ManyAreLookedAtWindowByWindow) {
  constexpr std::uint32_t kTokens = 150'000'000, kPlace = 140'000'001;
  write_sparse("a_train.bin", kTokens, kPlace, 77);
  folder_.write("val.bin", uint16_text({3, 2, 1}));
  const auto data = open(config("*.bin", 60));
  EXPECT_EQ(data->train().size(), kTokens);
  EXPECT_EQ(data->vocabulary(), 60) << "none of them was looked at";
  EXPECT_EQ(data->tokenizer().ids().size(), 60u);
  Ids some(10);
  EXPECT_NO_THROW(data->train().copy(kPlace - 10, 10, some.data()));
  testing_support::expect_error([&] { data->train().copy(kPlace - 5, 10, some.data()); },
                                {"*.bin: a_train.bin: token 77 at byte 280001026", "ids below 60"});
  EXPECT_EQ(open(config("*.bin", 78))->train()[kPlace], 77);
}

TEST_F(BinFiles, TheHashOfFewIsThatOfAllTheirBytes) {
  const std::string train = uint16_text({1, 2, 3, 4}), validation = uint16_text({3, 2, 1});
  folder_.write("train.bin", train);
  folder_.write("val.bin", validation);
  Sha256 expected;  // as it was before there were more files: keys of trials stay what they are
  for (const auto& bytes : {"bin/8/" + train, "bin/6/" + validation})
    expected.add(bytes.data(), bytes.size());
  const auto hash = [&] { return open_dataset(config("*.bin"), "")->hash(); };
  const auto plain = hash();
  EXPECT_EQ(plain, hex(expected.finish()));
  folder_.write("meta.json", R"({"vocab_size": 50})");
  EXPECT_NE(hash(), plain);
  fs::remove(folder_.path() / "meta.json");
  folder_.write("z.bin", uint16_text({5, 6}));
  const auto three = hash();
  fs::rename(folder_.path() / "z.bin", folder_.path() / "z_val.bin");
  EXPECT_NE(hash(), three) << "the same bytes, cut into other splits";
}

// Only what has changed since, by size or times, is read again.
TEST_F(BinFiles, TheHashOfManyIsRememberedBesideThem) {
  constexpr std::uint32_t kTokens = 540'000'000;
  folder_.write("val.bin", uint16_text({1, 2, 3}));
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(1);
  const auto hash = [&] { return open_dataset(config(""), "")->hash(); };
  const auto hash_with = [&](char token, bool settled = true) {
    write_sparse("train.bin", kTokens, kTokens / 2, token);
    for (const char* name : {"train.bin", "val.bin"})
      if (settled) fs::last_write_time(folder_.path() / name, past);
    return hash();
  };
  const auto remembered = folder_.path() / kHashesFile;
  const auto first = hash_with(1, /*settled=*/false);
  EXPECT_FALSE(fs::exists(remembered)) << "a change that followed at once might leave the same time";
  EXPECT_EQ(hash_with(1), first);
  ASSERT_TRUE(fs::exists(remembered));
  EXPECT_EQ(unsealed(read_text(remembered), "it").at("files").size(), 2u);
  // Believed, not read: a sum that no content has.
  Json json = unsealed(read_text(remembered), "it");
  json["files"]["train.bin"]["sum"] = std::string(64, '0');
  write_file(remembered, sealed_text(json));
  EXPECT_NE(hash(), first);
  EXPECT_NE(hash_with(2), first) << "one byte in the middle, with the time that it had before";
  write_file(remembered, read_text(remembered) + " ");
  EXPECT_EQ(hash_with(1), first) << "what is damaged is none";
}

}  // namespace
}  // namespace kablate
