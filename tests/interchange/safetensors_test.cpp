#include "interchange/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "base/hash.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

TEST(Safetensors, EveryTypeAndShapeComesBackToTheBit) {
  const TemporaryFolder root;
  const auto path = root.path() / "w";
  const at::Tensor bits = at::randint(0, 256, {4, 6, 8}, at::kByte);
  NamedTensors tensors{{"empty", at::zeros({3, 0, 2})},
                       {"scalar", at::full({}, 0.1, at::kDouble)},
                       {"transposed", at::randn({3, 5}).t()},
                       {"flags", at::ones({5}, at::kBool)}};
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                          at::kChar, at::kByte})
    tensors[c10::toString(type)] = bits.view(type);  // NaNs of every kind among them
  const auto digest = write_safetensors(path, tensors);
  EXPECT_EQ(digest, file_sha256(path.string()));
  const auto found = read_safetensors(path);
  ASSERT_EQ(found.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const auto& other = found.at(name);
    EXPECT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
    ASSERT_EQ(other.sizes(), tensor.sizes()) << name;
    const auto plain = tensor.contiguous();
    EXPECT_EQ(std::memcmp(other.const_data_ptr(), plain.const_data_ptr(), plain.nbytes()), 0) << name;
  }
}

TEST(Safetensors, EqualTensorsAreEqualFiles) {
  const TemporaryFolder root;
  const NamedTensors tensors{{"b", at::ones({3})}, {"a", at::zeros({2})}};
  EXPECT_EQ(write_safetensors(root.path() / "one", tensors), write_safetensors(root.path() / "two", tensors));
  EXPECT_EQ(read_text(root.path() / "one"), read_text(root.path() / "two"));
}

TEST(Safetensors, NamesAFileThatBreaksTheFormatAndATypeThatIsNotRead) {
  const TemporaryFolder root;
  const auto refuse = [&](const std::string& header, std::initializer_list<std::string> parts) {
    const auto path = root.write(
        "w", std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "12");
    expect_error([&] { read_safetensors(path); }, parts);
  };
  refuse(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
         R"("b":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})",
         {(root.path() / "w").string(), "tensor b", "overlap"});
  refuse(R"({"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})",
         {(root.path() / "w").string(), "tensor a has the type F8_E4M3", "F32"});
}

}  // namespace
}  // namespace kablate
