#include "record/seal.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

const Json kContent{{"name", "a \"sha256\": \"b\""}, {"numbers", {1, 2.5}}};

TEST(Seal, GivesBackWhatWasSealed) {
  const auto text = sealed_text(kContent);
  EXPECT_EQ(unsealed(text, "f"), kContent);
  EXPECT_EQ(text, sealed_text(kContent)) << "equal content is equal text";
}

TEST(Seal, IsTheSumOfTheFilesOwnBytes) {
  auto text = sealed_text(kContent);
  const auto sum = Json::parse(text)["sha256"].get<std::string>();
  EXPECT_EQ(hex(sha256(text.replace(text.find(sum), 64, 64, '0'))), sum);
}

TEST(Seal, MissesNoBit) {
  const auto whole = sealed_text(kContent);
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      auto text = whole;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      EXPECT_THROW(unsealed(text, "f"), FileFault) << at << ", bit " << bit;
    }
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(unsealed(whole.substr(0, size), "f"), FileFault) << size;
}

TEST(Seal, SaysWhatHasBecomeOfAFile) {
  const TemporaryFolder root;
  const auto kind = [&](const std::string& text) {
    try {
      read_sealed(root.write("f.json", text));
    } catch (const FileFault& fault) {
      return std::pair(fault.kind(), std::string(fault.what()));
    }
    return std::pair(FileFault::Kind::kMissing, std::string("it was believed"));
  };
  EXPECT_EQ(kind("{}").first, FileFault::Kind::kOlderFormat);
  EXPECT_EQ(kind("[]").first, FileFault::Kind::kDamaged);
  std::string converted;
  for (const char c : sealed_text(kContent)) converted += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(kind(converted).first, FileFault::Kind::kDamaged);
  EXPECT_NE(kind(converted).second.find("f.json: its line ends were converted"), std::string::npos);
  expect_error<FileFault>([&] { read_sealed(root.path() / "none.json"); }, {"none.json", "is missing"});
}

TEST(DamageOf, TellsConvertedLineEndsFromAnyOtherChange) {
  const auto sum = hex(sha256("a\nb\n"));
  EXPECT_EQ(damage_of("a\nb\n", sum), "");
  EXPECT_NE(damage_of("a\r\nb\r\n", sum).find("line ends"), std::string::npos);
  EXPECT_NE(damage_of("a\r\nc\r\n", sum).find("SHA-256"), std::string::npos);
  EXPECT_NE(damage_of("a\nb", sum).find("SHA-256"), std::string::npos);
}

}  // namespace
}  // namespace kablate
