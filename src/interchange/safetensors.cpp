#include "interchange/safetensors.h"

#include <vector>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/input_file.h"
#include "base/json.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::size_t kLengthBytes = 8;

struct TypeName {
  at::ScalarType type;
  const char* name;
};
constexpr TypeName kTypes[] = {{at::kFloat, "F32"}, {at::kDouble, "F64"}, {at::kBFloat16, "BF16"},
                               {at::kHalf, "F16"},  {at::kLong, "I64"},   {at::kInt, "I32"},
                               {at::kShort, "I16"}, {at::kChar, "I8"},    {at::kByte, "U8"},
                               {at::kBool, "BOOL"}};

std::string type_name(at::ScalarType type) {
  for (const auto& row : kTypes)
    if (row.type == type) return row.name;
  throw WorkError(str("safetensors: tensors of type ", c10::toString(type), " are not written"));
}

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

const TypeName* known_type(const std::string& dtype) {
  for (const auto& row : kTypes)
    if (dtype == row.name) return &row;
  return nullptr;
}

at::Tensor read_tensor(const InputFile& file, const std::string& name, const TensorEntry& entry) {
  const TypeName* type = known_type(entry.dtype);
  if (type == nullptr) {
    std::vector<std::string> names;
    for (const auto& row : kTypes) names.emplace_back(row.name);
    throw UserError(str(file.path().string(), ": tensor ", name, " has the type ", entry.dtype,
                        "; allowed: ", join(names, ", ")));
  }
  at::Tensor tensor = at::empty(entry.shape, type->type);
  file.read_at(entry.begin, tensor.mutable_data_ptr(), entry.size());
  return tensor;
}

}  // namespace

std::string write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
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

SafetensorsFile read_safetensors_file(const std::filesystem::path& path, const WantedTensor& wanted) {
  const InputFile file(path);
  const SafetensorsHeader header = read_safetensors_header(file);
  SafetensorsFile content{header.tensors, {}, header.metadata};
  for (const auto& [name, entry] : header.tensors)
    if (!wanted || wanted(name, entry)) content.tensors[name] = read_tensor(file, name, entry);
  return content;
}

NamedTensors read_safetensors(const std::filesystem::path& path) {
  return read_safetensors_file(path).tensors;
}

}  // namespace kablate
