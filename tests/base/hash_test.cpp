#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

// Vectors of FIPS 180-4 (NIST's examples) and of the empty message.
TEST(Sha256, GivesTheStandardsVectors) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, TakesDataInPieces) {
  Sha256 hash;
  hash.add("a", 1);
  hash.add("", 0);
  hash.add("bc", 2);
  EXPECT_EQ(hash.finish(), sha256("abc"));
}

TEST(Sha256, ReadsFilesOfSeveralBuffers) {
  const TemporaryFolder folder;
  EXPECT_EQ(file_sha256(folder.write("empty", "").string()), hex(sha256("")));
  const std::string big((1 << 20) * 2 + 17, 'x');
  EXPECT_EQ(file_sha256(folder.write("big", big).string()), hex(sha256(big)));
}

TEST(Sha256, NamesAFileThatCantBeRead) {
  const TemporaryFolder folder;
  const auto missing = (folder.path() / "missing").string();
  EXPECT_NE(message_of<WorkError>([&] { file_sha256(missing); }).find(missing), std::string::npos);
  EXPECT_THROW(file_sha256(folder.path().string()), WorkError);
}

}  // namespace
}  // namespace kablate
