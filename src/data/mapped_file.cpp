#include "data/mapped_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {

MappedFile::MappedFile(const std::filesystem::path& path, std::string_view label, std::string_view remedy) {
  const auto refuse = [&](const std::string& why) { return UserError(str(label, ": ", why, "; ", remedy)); };
  // Without O_NONBLOCK a pipe with this name would be waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) throw refuse("no such file");
  if (fd < 0) throw refuse(str("can't be read (", std::strerror(errno), ")"));
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  size_ = static_cast<std::size_t>(status.st_size);
  const bool regular = known && S_ISREG(status.st_mode);
  if (regular && size_ > 0) address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  const int reason = errno;
  ::close(fd);
  if (known && S_ISDIR(status.st_mode)) throw refuse("is a folder, not a file");
  if (!regular) throw refuse("is no regular file");
  if (size_ == 0) throw refuse("is empty");
  if (address_ == MAP_FAILED) throw refuse(str("can't be read (", std::strerror(reason), ")"));
}

MappedFile::~MappedFile() { ::munmap(address_, size_); }

}  // namespace kablate
