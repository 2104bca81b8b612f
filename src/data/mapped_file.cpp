#include "data/mapped_file.h"

#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace kablate {

MappedFile::MappedFile(const std::filesystem::path& path, std::string_view label, std::string_view remedy) {
  const InputFile file(path, std::string(label), remedy);
  const auto refuse = [&](const std::string& why) { return UserError(str(label, ": ", why, "; ", remedy)); };
  size_ = file.size();
  if (size_ == 0) throw refuse("is empty");
  address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address_ == MAP_FAILED) throw refuse(str("can't be read (", std::strerror(errno), ")"));
}

MappedFile::~MappedFile() { ::munmap(address_, size_); }

}  // namespace kablate
