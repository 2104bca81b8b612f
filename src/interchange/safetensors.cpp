#include "interchange/safetensors.h"

#include <cstring>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::size_t kLengthBytes = 8;

struct TypeName {
  at::ScalarType type;
  const char* name;
};
constexpr TypeName kTypes[] = {{at::kFloat, "F32"},
                               {at::kDouble, "F64"},
                               {at::kBFloat16, "BF16"},
                               {at::kHalf, "F16"},
                               {at::kLong, "I64"}};

std::string type_name(at::ScalarType type) {
  for (const auto& row : kTypes)
    if (row.type == type) return row.name;
  throw WorkError(str("safetensors: tensors of type ", c10::toString(type), " are not written"));
}

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

// A file as it was read, and the messages about what is wrong with it.
struct Source {
  std::string path;
  std::string content;

  UserError broken(const std::string& what) const {
    return UserError(str(path, ": not a whole safetensors file (", what,
                         "); expected weights written by `kablate init`, a "
                         "trial's checkpoint, or a state dict saved as safetensors"));
  }
  std::size_t header_size() const {
    if (content.size() < kLengthBytes) throw broken(str(content.size(), " bytes are too few for a header"));
    std::uint64_t size = 0;
    std::memcpy(&size, content.data(), kLengthBytes);
    if (size > content.size() - kLengthBytes)
      throw broken(str("its header claims ", size, " bytes, the file has ", content.size()));
    return size;
  }
};

at::Tensor read_tensor(const Source& source, const std::string& name, const Json& entry,
                       std::size_t data_start) {
  const auto type = entry.at("dtype").get<std::string>();
  const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<std::size_t>>();
  const TypeName* known = nullptr;
  for (const auto& row : kTypes)
    if (type == row.name) known = &row;
  if (known == nullptr)
    throw source.broken(str("tensor ", name, " has the type ", type, "; allowed: F32, F64, BF16, F16, I64"));
  std::size_t size = c10::elementSize(known->type);
  for (const auto length : shape) {
    if (length < 0 || __builtin_mul_overflow(size, static_cast<std::size_t>(length), &size))
      throw source.broken(str("tensor ", name, " has an impossible shape"));
  }
  const std::size_t room = source.content.size() - data_start;
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > room || offsets[1] - offsets[0] != size)
    throw source.broken(str("tensor ", name, " does not lie within the file's ", source.content.size(),
                            " bytes; is it cut off?"));
  at::Tensor tensor = at::empty(shape, known->type);
  std::memcpy(tensor.mutable_data_ptr(), source.content.data() + data_start + offsets[0], size);
  return tensor;
}

}  // namespace

std::string write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors) {
  Json header = Json::object();
  std::vector<at::Tensor> alive;  // contiguous copies on the CPU, until the file is written
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    alive.push_back(tensor.detach().cpu().contiguous());
    const std::size_t end = offset + bytes_of(alive.back()).size();
    header[name] = {{"dtype", type_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes,
              ' ');  // the data start at a multiple of 8
  const std::uint64_t length = text.size();
  std::vector<std::string_view> pieces{{reinterpret_cast<const char*>(&length), kLengthBytes}, text};
  for (const auto& tensor : alive) pieces.push_back(bytes_of(tensor));
  write_file(path, pieces);
  Sha256 hash;
  for (const auto piece : pieces) hash.add(piece.data(), piece.size());
  return hex(hash.finish());
}

NamedTensors read_safetensors(const std::filesystem::path& path) {
  const Source source{path.string(), read_text(path)};
  const std::size_t header_size = source.header_size();
  const Json header =
      Json::parse(source.content.data() + kLengthBytes, source.content.data() + kLengthBytes + header_size,
                  nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) throw source.broken("its header is not JSON");
  NamedTensors tensors;
  std::size_t covered = kLengthBytes + header_size;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    try {
      tensors[name] = read_tensor(source, name, entry, kLengthBytes + header_size);
      covered += tensors[name].nbytes();
    } catch (const Json::exception&) {
      throw source.broken(str("the header's entry of ", name, " lacks dtype, shape or data_offsets"));
    }
  }
  if (covered != source.content.size())
    throw source.broken(str("its tensors cover ", covered, " of ", source.content.size(), " bytes"));
  return tensors;
}

}  // namespace kablate
