#include "base/input_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/file.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

void make_socket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.string().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
}

TEST(InputFile, SaysWhatIsThereInsteadOfAFile) {
  const TemporaryFolder root;
  const auto in = [&](const char* name) { return root.path() / name; };
  ASSERT_EQ(::mkfifo(in("pipe").c_str(), 0600), 0);
  make_socket(in("socket"));
  std::filesystem::create_symlink("loop", in("loop"));
  std::filesystem::create_symlink("pipe", in("link"));
  const std::vector<std::pair<std::filesystem::path, std::string>> cases{
      {in("none"), "no such file"},
      {in("loop"), "can't be read (Too many"},
      {root.path(), "is a folder, not a file"},
      {in("pipe"), "is a pipe, not a file"},
      {in("link"), "is a pipe, not a file"},
      {in("socket"), "is a socket, not a file"},
      {"/dev/zero", "is a device, not a file"},
      {root.write("file", "x") / "below", "can't be read (Not a dir"}};
  for (const auto& [path, why] : cases) {
    expect_error([&] { InputFile file(path); }, {path.string() + ": " + why});
    expect_error([&] { InputFile(path, "DATA_PATH", "do this"); }, {"DATA_PATH: " + why, "; do this"});
    expect_error([&] { read_text(path); }, {path.string() + ": " + why});
  }
  EXPECT_EQ(other_than_file(in("pipe")), "a pipe");
  EXPECT_EQ(other_than_file(in("file")), "");
  EXPECT_EQ(other_than_file(in("none")), "");
}

TEST(InputFile, ReadsFromAnyPlaceAndRefusesToReadBeyondTheEnd) {
  const TemporaryFolder root;
  InputFile file(root.write("a", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  char bytes[4] = {};
  file.read_at(6, bytes, 4);
  EXPECT_EQ(std::string(bytes, 4), "6789");
  expect_error([&] { file.read_at(7, bytes, 4); }, {file.path().string(), "ends at byte 10"});
  EXPECT_EQ(file.read_some(bytes, 3), 3u) << "read_at leaves the place of read_some alone";
  EXPECT_EQ(std::string(bytes, 3), "012");
}

TEST(InputFile, ReadsFilesWhoseSizeTheSystemDoesNotTell) { EXPECT_NE(read_text("/proc/self/status"), ""); }

}  // namespace
}  // namespace kablate
