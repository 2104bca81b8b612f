// Weights as other programs write them: loaded where they
// mean the same, refused by the tensor's name where not.
#include "interchange/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/json.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

const char* const kEmbedding = "transformer.wte.weight";
const char* const kHead = "lm_head.weight";
const char* const kMap = "transformer.h.0.attn.c_attn.weight";

Parameter parameter(const char* name, std::vector<std::int64_t> shape) {
  Parameter result;
  result.name = name, result.shape = std::move(shape);
  return result;
}

class Weights : public testing::Test {
 protected:
  // A file with these tensors, each name behind `prefix`, and `metadata`.
  std::filesystem::path write(const NamedTensors& tensors, const std::string& prefix = "",
                              const std::map<std::string, std::string>& metadata = {}) const {
    NamedTensors named;
    for (const auto& [name, tensor] : tensors) named[prefix + name] = tensor;
    const auto path = root_.path() / "w";
    write_safetensors(path, named);
    if (!metadata.empty()) add_metadata(path, metadata);
    return path;
  }

  // What is read is these tensors, as float32.
  static void expect_read(const NamedTensors& found, const NamedTensors& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      EXPECT_EQ(found.at(name).scalar_type(), at::kFloat);
      EXPECT_TRUE(at::equal(found.at(name), tensor.to(at::kFloat))) << name;
    }
  }

  const ParameterTable tied_ = [this] {
    ParameterTable table({parameter(kEmbedding, {5, 2}), parameter(kMap, {6, 2})});
    table.uses[kHead] = kEmbedding;
    return table;
  }();
  const ParameterTable untied_ = std::vector<Parameter>{parameter(kEmbedding, {5, 2}),
                                                        parameter(kMap, {6, 2}), parameter(kHead, {5, 2})};
  const at::Tensor embedding_ = at::randn({5, 2}), map_ = at::randn({6, 2});
  const NamedTensors plain_{{kEmbedding, embedding_}, {kMap, map_}};
  const TemporaryFolder root_;

 private:
  static void add_metadata(const std::filesystem::path& path,
                           const std::map<std::string, std::string>& metadata) {
    std::ifstream in(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    Json header = Json::parse(file.substr(8, length));
    header["__metadata__"] = metadata;
    const std::string text = header.dump(), data = file.substr(8 + length);
    length = text.size();
    std::ofstream(path, std::ios::binary)
        << std::string(reinterpret_cast<const char*>(&length), sizeof length) << text << data;
  }
};

TEST_F(Weights, LoadUnderThePrefixesOfWrappers) {
  for (const char* prefix : {"", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."})
    expect_read(read_weights(write(plain_, prefix), tied_), plain_);
}

TEST_F(Weights, LoadInAnyFloatType) {
  for (const auto type : {at::kDouble, at::kHalf, at::kBFloat16}) {
    const NamedTensors other{{kEmbedding, embedding_.to(type)}, {kMap, map_.to(type)}};
    expect_read(read_weights(write(other), tied_), other);
  }
}

TEST_F(Weights, LoadWhereTiedOnesAreWrittenOnce) {
  // safetensors.torch.save_model keeps the first name by alphabet; other writers keep wte.
  for (const std::string prefix : {"", "module.", "_orig_mod."}) {
    const auto head_kept =
        write({{kHead, embedding_}, {kMap, map_}}, prefix, {{prefix + kEmbedding, prefix + kHead}});
    expect_read(read_weights(head_kept, tied_), plain_);
    expect_read(read_weights(head_kept, untied_),
                {{kEmbedding, embedding_}, {kHead, embedding_}, {kMap, map_}});
    const auto embedding_kept =
        write(plain_, prefix, {{prefix + kHead, prefix + kEmbedding}, {"format", "pt"}});
    expect_read(read_weights(embedding_kept, tied_), plain_);
  }
  expect_error(
      [&] {
        read_weights(write({{kHead, embedding_}, {kMap, map_}}), tied_);
      },
      {kEmbedding, "missing", kHead});
  expect_error(
      [&] {
        read_weights(write(plain_, "", {{"x", kMap}}), tied_);
      },
      {"tensor x", "not a parameter"});
}

TEST_F(Weights, LoadWithNanoGptsMaskAndTiedHead) {
  for (const auto type : {at::kFloat, at::kBool})
    expect_read(read_weights(write({{kEmbedding, embedding_},
                                    {kMap, map_},
                                    {kHead, embedding_},
                                    {"transformer.h.0.attn.bias", at::ones({1, 1, 4, 4}).tril().to(type)}}),
                             tied_),
                plain_);
  expect_error(
      [&] {
        read_weights(write({{kEmbedding, embedding_}, {kMap, map_}, {kHead, embedding_ + 1}}), tied_);
      },
      {kHead, kEmbedding, "GPT2_WEIGHT_TYING = n"});
}

TEST_F(Weights, NameTheTensorThatDoesNotFit) {
  const auto refuse = [&](const NamedTensors& tensors, const std::string& prefix,
                          std::initializer_list<std::string> parts) {
    const auto path = write(tensors, prefix);
    expect_error([&] { read_weights(path, tied_); }, {path.string()});
    expect_error([&] { read_weights(path, tied_); }, parts);
  };
  refuse({{kEmbedding, embedding_}}, "", {kMap, "[6, 2] is missing"});
  refuse({{kEmbedding, embedding_}, {"transformer.h.0.attn.c_attn.weigth", map_}}, "module.",
         {kMap, "missing", "the file has module.transformer.h.0.attn.c_attn.weigth besides"});
  refuse({{kEmbedding, embedding_}, {kMap, map_.t()}}, "module.",
         {"module." + std::string(kMap), "has the shape [2, 6]", "needs [6, 2]"});
  refuse({{kEmbedding, embedding_}, {kMap, map_.to(at::kInt)}}, "", {kMap, "whole numbers"});
  refuse({{kEmbedding, embedding_}, {kMap, map_}, {"transformer.h.1.x", map_}}, "",
         {"transformer.h.1.x [6, 2] is not a parameter"});
  refuse({{kEmbedding, embedding_}, {kMap, map_}, {std::string("module.") + kMap, map_}}, "",
         {kMap, "stands twice"});
}

}  // namespace
}  // namespace kablate
