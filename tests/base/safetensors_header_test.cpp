#include "base/safetensors_header.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/json.h"
#include "base/text.h"
#include "support/core/expect_error.h"
#include "support/core/safetensors_rules.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::broken_safetensors_rule;
using testing_support::expect_error;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + rest;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, 'd'));
}

std::string entry(const char* name, const char* dtype, const char* shape, const char* offsets) {
  return str("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
             "}");
}

SafetensorsHeader read(const TemporaryFolder& root, const std::string& content) {
  return read_safetensors_header(InputFile(root.write("w", content)));
}

TEST(SafetensorsHeader, SaysWhatStandsWhere) {
  const TemporaryFolder root;
  const std::string header =
      str("{\"__metadata__\":{\"x\":\"y\"},", entry("b", "F32", "[2]", "[2,10]"), ",",
          entry("a", "BF16", "[1,1]", "[0,2]"), ",", entry("none", "I64", "[3,0]", "[2,2]"), ",",
          entry("one", "F64", "[]", "[10,18]"), "}   ");
  const auto found = read(root, file_of(header, 18));
  EXPECT_EQ(found.metadata, (std::map<std::string, std::string>{{"x", "y"}}));
  ASSERT_EQ(found.tensors.size(), 4u);
  const auto& b = found.tensors.at("b");
  EXPECT_EQ(b.dtype, "F32");
  EXPECT_EQ(b.shape, std::vector<std::int64_t>{2});
  EXPECT_EQ(b.begin, 8 + header.size() + 2);
  EXPECT_EQ(b.size(), 8u);
  EXPECT_EQ(found.tensors.at("none").size(), 0u);
  EXPECT_EQ(found.tensors.at("one").shape, std::vector<std::int64_t>{});
  EXPECT_TRUE(read(root, file_of("{}", 0)).tensors.empty());
}

TEST(SafetensorsHeader, NamesTheRuleThatIsBroken) {
  const TemporaryFolder root;
  const auto refused = [&](const std::string& content, const std::string& part) {
    expect_error([&] { read(root, content); }, {(root.path() / "w").string(), part});
  };
  const auto tensors = [&](const std::vector<std::string>& entries, std::size_t bytes,
                           const std::string& part) {
    refused(file_of(str("{", join(entries, ","), "}"), bytes), part);
  };
  const auto a = entry("a", "F32", "[1]", "[0,4]");
  refused("", "0 bytes are too few");
  refused("1234567", "7 bytes are too few");
  refused(with_length(3, "{}"), "claims 3 bytes");
  refused(with_length(~std::uint64_t{0}, "{}"), "claims 18446744073709551615 bytes");
  refused(file_of("", 0), "its header is not JSON");
  refused(file_of(" {}", 0), "its header is not JSON");
  refused(file_of("\xEF\xBB\xBF{}", 0), "its header is not JSON");
  refused(file_of(std::string("{}\0", 3), 0), "its header is not JSON");
  refused(file_of("{}}", 0), "its header is not JSON");
  refused(file_of("{\"\xFF\":1}", 0), "its header is not JSON");
  refused(file_of("[]", 0), "its header is not JSON");
  refused(file_of("{\"a\":" + std::string(2000, '['), 0), "nested too deeply");
  tensors({a, a}, 4, "\"a\" stands twice");
  tensors({a, entry("\\u0061", "F32", "[1]", "[4,8]")}, 8, "\"a\" stands twice");
  tensors({"\"__metadata__\":{\"x\":\"1\",\"x\":\"2\"}"}, 0, "\"x\" stands twice");
  tensors({R"("a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]})"}, 4,
          "\"shape\" stands twice");
  tensors({"\"__metadata__\":{\"x\":1}"}, 0, "__metadata__ has \"x\", which is no text");
  tensors({"\"__metadata__\":[]"}, 0, "__metadata__ is no object");
  tensors({"\"a\":[1]"}, 0, "tensor a has no entry");
  tensors({R"("a":{"dtype":"F32","shape":[1]})"}, 0, "tensor a has no entry");
  tensors({entry("a", "F33", "[1]", "[0,4]")}, 4, "tensor a has the unknown dtype \"F33\"");
  for (const char* shape : {"[1.0]", "[-1]", "[-0]", "[\"1\"]", "1", "[18446744073709551616]"})
    tensors({entry("a", "F32", shape, "[0,4]")}, 4, "tensor a has a shape that is no list");
  tensors({entry("a", "F32", "[1]", "[0,4,8]")}, 4, "tensor a has 3 data_offsets");
  tensors({entry("a", "F32", "[1]", "[4,0]")}, 4, "tensor a ends at 0, before");
  tensors({entry("a", "F32", "[2]", "[0,8]")}, 4, "tensor a ends at byte 8 of the data, which have 4");
  tensors({entry("a", "F32", "[2]", "[0,4]")}, 4, "tensor a has 4 bytes; its shape and type F32 need 8");
  tensors({entry("a", "F4", "[1]", "[0,1]")}, 1, "tensor a has a shape that fills no whole bytes");
  // 2^62 + 1 elements of 4 bytes are 4 modulo 2^64; 2^32 squared is 0.
  tensors({entry("a", "F32", "[4611686018427387905]", "[0,4]")}, 4, "tensor a has an impossible shape");
  tensors({entry("a", "F32", "[4294967296,4294967296]", "[0,0]")}, 0, "tensor a has an impossible shape");
  tensors({entry("a", "F32", "[0,4611686018427387904,8]", "[0,0]")}, 0, "tensor a has an impossible shape");
  tensors({a, entry("b", "F32", "[1]", "[0,4]")}, 4, "tensor b begins at byte 0");
  tensors({a, entry("b", "F32", "[1]", "[0,4]")}, 4, "overlap");
  tensors({a, entry("b", "F32", "[1]", "[2,6]")}, 6, "tensor b begins at byte 2");
  tensors({a, entry("b", "F32", "[1]", "[6,10]")}, 10,
          "tensor b begins at byte 6 of the data, the one before ends at 4");
  tensors({entry("b", "F32", "[1]", "[2,6]")}, 6, "tensor b begins at byte 2");
  tensors({a, entry("e", "F32", "[0]", "[2,2]")}, 4, "tensor e begins at byte 2");
  tensors({a}, 5, "its tensors cover 4 of 5");
}

// A length that would take minutes to read is refused for what it is.
TEST(SafetensorsHeader, ReadsNoHeaderBeyondTheFormatsLimit) {
  const TemporaryFolder root;
  const auto path = root.write("w", with_length(100'000'001, "{"));
  std::filesystem::resize_file(path, 1 << 30);
  expect_error([&] { read_safetensors_header(InputFile(path)); },
               {"100000001 bytes; allowed: at most 100000000"});
}

// --- Random files: the verdict is that of a second reader.

class Mutants {
 public:
  explicit Mutants(std::uint64_t seed) : random_(seed) {}

  // A valid file with up to three changes.
  std::string draw() {
    entries_.clear(), data_ = 0;
    if (chance(3)) entries_.push_back(R"("__metadata__":{"format":"pt","lm_head.weight":"wte"})");
    const auto count = number(0, 4);
    for (std::uint64_t i = 0; i < count; ++i) add_tensor(str("t", i));
    std::shuffle(entries_.begin(), entries_.end(), random_);
    for (auto changes = number(0, 3); changes > 0; --changes) change_entries();
    std::string header = str("{", join(entries_, ","), "}", std::string(number(0, 8), ' '));
    if (chance(3)) change_text(header);
    const std::uint64_t length = header.size();
    std::string file =
        with_length(chance(15) ? any<std::uint64_t>({length - 1, length + 1, length << 40, ~length}) : length,
                    header + std::string(data_, 'd'));
    if (chance(15))
      file.resize(any<std::size_t>({file.size() - 1, file.size() + 1, file.size() / 2, 8, 7}), 'd');
    return file;
  }

 private:
  std::uint64_t number(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
  }
  bool chance(std::uint64_t of) { return number(1, of) == 1; }
  template <typename T>
  T any(const std::vector<T>& values) {
    return values[number(0, values.size() - 1)];
  }

  void add_tensor(const std::string& name) {
    const auto& [dtype, bits] = any<std::pair<const char*, std::uint64_t>>(
        {{"F32", 32}, {"BF16", 16}, {"I64", 64}, {"BOOL", 8}, {"F4", 4}, {"F8_E4M3", 8}});
    std::vector<std::string> lengths;
    std::uint64_t elements = 1;
    for (auto dims = number(0, 3); dims > 0; --dims) {
      const auto length = number(chance(4) ? 0 : 1, 3) * (bits == 4 ? 2 : 1);
      elements *= length;
      lengths.push_back(str(length));
    }
    const auto end = data_ + elements * bits / 8;
    entries_.push_back(entry(name.c_str(), dtype, str("[", join(lengths, ","), "]").c_str(),
                             str("[", data_, ",", end, "]").c_str()));
    data_ = end;
  }

  void change_entries() {
    if (entries_.empty()) return entries_.push_back(entry("x", "F32", "[1]", "[0,4]"));
    auto& one = entries_[number(0, entries_.size() - 1)];
    switch (number(0, 8)) {
      case 0:
        return entries_.push_back(one);
      case 1:
        one = any(entries_);
        return;
      case 2:
        std::swap(one, entries_.back());
        return entries_.pop_back();
      case 3:
        return replace(one, "\"dtype\":\"", "\"",
                       any<std::string>({"F16", "F33", "f32", "U16", "F64", "F6_E2M3"}));
      case 4:
        return replace(one, "\"shape\":[", "]",
                       any<std::string>({"", "0", "1", "2", "1,2", "-1", "1.0", "1e0",
                                         "0,18446744073709551615", "4611686018427387905",
                                         "4294967296,4294967296", "18446744073709551616", "null"}));
      case 5:
        return replace(one, "\"data_offsets\":[", "]", str(number(0, 12), ",", number(0, 24)));
      case 6:
        return replace(one, "\"data_offsets\":[", "]",
                       any<std::string>({"0", "0,4,4", "4,0", "0,18446744073709551615", "0,-0", "0.0,4"}));
      case 7:
        return entries_.push_back(any<std::string>(
            {R"("__metadata__":{"a":1})", R"("__metadata__":{"a":"1"})", R"("__metadata__":[])",
             R"("\u0074\u0030":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})",
             R"("y":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":[{}]})"}));
      default:
        return add_tensor(str("n", number(0, 99)));
    }
  }

  static void replace(std::string& text, const std::string& before, const std::string& after,
                      const std::string& by) {
    const auto found = text.find(before);
    if (found == std::string::npos) return;
    const auto start = found + before.size();
    text.replace(start, text.find(after, start) - start, by);
  }

  void change_text(std::string& header) {
    const auto place = number(0, header.size() - 1);
    switch (number(0, 3)) {
      case 0:
        header[place] = static_cast<char>(number(0, 255));
        return;
      case 1:
        header.erase(place, 1);
        return;
      case 2:
        header.insert(place,
                      any<std::string>({" ", "\n", "{", "}", ",", "0", "\"", "\\", "\xC3\xA9", "\xFF"}));
        return;
      default:
        header = any<std::string>({" ", "\xEF\xBB\xBF", ""}) + header +
                 any<std::string>({"\n", std::string(1, '\0'), "x", ""});
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> entries_;
  std::uint64_t data_ = 0;
};

TEST(SafetensorsHeader, JudgesRandomFilesAsTheRulesDo) {
  const char* given = std::getenv("KABLATE_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  SCOPED_TRACE(str("KABLATE_TEST_SEED=", seed));
  const TemporaryFolder root;
  Mutants mutants(seed);
  int whole = 0, broken = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string file = mutants.draw(), rule = broken_safetensors_rule(file);
    std::string message;
    try {
      read(root, file);
    } catch (const UserError& fault) {
      message = fault.what();
    }
    ASSERT_EQ(message.empty(), rule.empty()) << i << ": " << message << " / " << rule << "\n" << file;
    ++(rule.empty() ? whole : broken);
  }
  EXPECT_GT(whole, 2000);
  EXPECT_GT(broken, 2000);
}

}  // namespace
}  // namespace kablate
