#include "record/tensor_file.h"

#include <gtest/gtest.h>

#include "support/core/expect_error.h"
#include "support/core/tensor_file.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using testing_support::safetensors_of;

TEST(TensorFile, HasEachTensorsTypeShapeAndBytes) {
  const TemporaryFolder root;
  TensorFile file(root.write("w", safetensors_of({{"a", {1, 2}}, {"b", {0.5F}}})));
  ASSERT_EQ(file.entries().size(), 2u);
  EXPECT_EQ(file.entries().at("a").dtype, "F32");
  EXPECT_EQ(file.entries().at("a").shape, std::vector<std::int64_t>{2});
  float half = 0;
  const auto bytes = file.bytes("b");
  ASSERT_EQ(bytes.size(), sizeof half);
  std::memcpy(&half, bytes.data(), sizeof half);
  EXPECT_EQ(half, 0.5F);
}

TEST(TensorFile, RefusesWhatIsNone) {
  const TemporaryFolder root;
  const auto refuse = [&](const std::string& content) {
    const auto path = root.write("w", content);
    expect_error([&] { TensorFile file(path); }, {path.string(), "safetensors"});
  };
  const auto whole = safetensors_of({{"a", {1, 2, 3}}});
  refuse("");
  refuse("short");
  refuse(std::string(64, 'x'));
  refuse(std::string("\x02\0\0\0\0\0\0\0{]", 10));
  refuse(whole.substr(0, whole.size() - 1));
  expect_error([&] { TensorFile file(root.path() / "none"); }, {"none", "no such file"});
}

TEST(FirstUnequalTensor, ComparesEveryByteOfThePart) {
  const TemporaryFolder root;
  const auto part = root.write("part", safetensors_of({{"a", {1, 2}}, {"b", {0.0F}}}));
  const auto compare = [&](const std::map<std::string, std::vector<float>>& tensors) {
    return first_unequal_tensor(part, root.write("whole", safetensors_of(tensors)));
  };
  EXPECT_EQ(compare({{"a", {1, 2}}, {"b", {0.0F}}}), "");
  EXPECT_EQ(compare({{"a", {1, 2}}, {"aa", {7}}, {"b", {0.0F}}}), "") << "more is allowed";
  EXPECT_EQ(compare({{"a", {1, 2}}, {"b", {-0.0F}}}), "b") << "equal numbers, but not equal bits";
  EXPECT_EQ(compare({{"a", {1, 2, 3}}, {"b", {0.0F}}}), "a") << "another shape";
  EXPECT_EQ(compare({{"a", {1, 2}}}), "b") << "missing";
}

}  // namespace
}  // namespace kablate
