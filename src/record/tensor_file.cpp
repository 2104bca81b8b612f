#include "record/tensor_file.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::uint64_t kLengthBytes = 8;

static_assert(std::endian::native == std::endian::little, "the header's length is read as it lies");

}  // namespace

TensorFile::TensorFile(std::filesystem::path path) : path_(std::move(path)), file_(path_, std::ios::binary) {
  const auto refuse = [&](const std::string& why) {
    throw UserError(str(path_.string(), ": ", why, "; expected a safetensors file"));
  };
  std::error_code fault;
  const std::uint64_t size = std::filesystem::file_size(path_, fault);
  if (fault || !file_) refuse("can't be read");
  std::uint64_t length = 0;
  if (size < kLengthBytes) refuse("is shorter than a header");
  file_.read(reinterpret_cast<char*>(&length), kLengthBytes);
  if (length > size - kLengthBytes) refuse("ends within its header");
  std::string header(length, '\0');
  file_.read(header.data(), static_cast<std::streamsize>(length));
  try {
    const Json json = Json::parse(header);
    for (const auto& [name, value] : json.items()) {
      if (name == "__metadata__") continue;
      const auto from = value.at("data_offsets").at(0).get<std::uint64_t>();
      const auto to = value.at("data_offsets").at(1).get<std::uint64_t>();
      const std::uint64_t start = kLengthBytes + length;
      if (from > to || to > size - start) refuse("ends within tensor " + name);
      entries_[name] = {value.at("dtype"), value.at("shape"), start + from, start + to};
    }
  } catch (const Json::exception& wrong) {
    refuse(wrong.what());
  }
}

std::string TensorFile::bytes(const std::string& name) {
  const auto& entry = entries_.at(name);
  std::string result(entry.end - entry.begin, '\0');
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(entry.begin));
  file_.read(result.data(), static_cast<std::streamsize>(result.size()));
  if (!file_) throw UserError(str(path_.string(), ": tensor ", name, " can't be read"));
  return result;
}

std::string first_unequal_tensor(const std::filesystem::path& part, const std::filesystem::path& whole) {
  TensorFile a(part), b(whole);
  for (const auto& [name, entry] : a.entries()) {
    const auto other = b.entries().find(name);
    if (other == b.entries().end() || other->second.dtype != entry.dtype ||
        other->second.shape != entry.shape || a.bytes(name) != b.bytes(name))
      return name;
  }
  return "";
}

}  // namespace kablate
