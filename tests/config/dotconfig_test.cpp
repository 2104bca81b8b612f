// .config and defconfig files: what Kconfig would drop, reword or fall back on without a word is an error
// (spec, section 6).
#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

Settings read(const std::string& text) {
  const TemporaryFolder folder;
  return Settings::from_file(folder.write("c", text));
}

std::vector<std::string> texts(const Config& config) {
  std::vector<std::string> result;
  for (const auto& field : field_values(config)) result.push_back(field.symbol + "=" + field.text);
  return result;
}

TEST(DotConfig, ReadsEveryKindOfValue) {
  const auto settings = read(
      "#\n# Automatically generated file\n#\n\nCONFIG_GPT2_N_LAYER=3\nCONFIG_GPT2_DROPOUT=\"0.25\"\n"
      "# CONFIG_GPT2_BIAS is not set\nCONFIG_RA_MLA_MLP_TYING_MODE_UNTIED=y\n"
      "CONFIG_EXPERIMENT_NAME=\"a \\\"b\\\" \\\\ c\"\n");
  const auto config = settings.bind();
  EXPECT_EQ(config.gpt.num_layers, 3);
  EXPECT_EQ(config.gpt.dropout, 0.25);
  EXPECT_FALSE(config.gpt.bias);
  EXPECT_EQ(config.coupler.tying, Tying::kUntied);
  EXPECT_EQ(config.run.experiment, "a \"b\" \\ c");
  EXPECT_EQ(config.gpt.width, 768) << "what the file does not name has the menu's default";
  EXPECT_TRUE(settings.origin("GPT2_N_LAYER").ends_with("/c:5"));
}

// Files of before it could be a list say it without quotes.
TEST(DotConfig, ReadsALatentWidthWithAndWithoutQuotes) {
  const auto latent = [](const char* form) {
    return read(str("CONFIG_RA_MLA_LATENT_DIM=", form, "\n")).bind();
  };
  EXPECT_EQ(latent("64").attention.latent_dim.values, std::vector<std::int64_t>{64});
  EXPECT_EQ(latent("\"64\"").attention.latent_dim.values, std::vector<std::int64_t>{64});
  EXPECT_EQ(latent("\"64, 32\"").attention.latent_dim.values, (std::vector<std::int64_t>{64, 32}));
  expect_error([&] { latent("64,32"); },
               {":1", "CONFIG_RA_MLA_LATENT_DIM=64,32: a list stands in double quotes"});
  expect_error([&] { latent("064"); }, {":1", "leading zeros"});
}

TEST(DotConfig, TakesAChoiceAsMemberAsStringOrAsBoth) {
  for (const auto* text :
       {"CONFIG_OPTIMIZER_ADAMW=y\n", "CONFIG_OPTIMIZER=\"adamw\"\n",
        "# CONFIG_OPTIMIZER_ADAMWSPAM is not set\nCONFIG_OPTIMIZER_ADAMW=y\nCONFIG_OPTIMIZER=\"adamw\"\n"})
    EXPECT_EQ(read(text).bind().optim.kind, OptimizerKind::kAdamW) << text;
}

struct BadFile {
  const char* text;
  std::vector<std::string> message;
};
const BadFile kBadFiles[] = {
    {"CONFIG_GPT2_BIAS = y\n", {":1", "CONFIG_GPT2_BIAS=y, without blanks"}},
    {"CONFIG_GPT2_BIAS =y\n", {":1", "without blanks"}},
    {"CONFIG_GPT2_N_LAYER= 5\n", {":1", "blanks after '='", "CONFIG_GPT2_N_LAYER=5"}},
    {"CONFIG_GPT2_N_LAYERS=5\n", {":1", "GPT2_N_LAYERS", "did you mean GPT2_N_LAYER?"}},
    {"CONFIG_gpt2_n_layer=5\n", {":1", "did you mean GPT2_N_LAYER?"}},
    {"CONFIG_NO_SUCH_THING_AT_ALL=y\n", {":1", "NO_SUCH_THING_AT_ALL", "menuconfig"}},
    {"# CONFIG_GPT2_BIASS is not set\n", {":1", "GPT2_BIASS", "did you mean GPT2_BIAS?"}},
    {"CONFIG_BATCH_SIZE=64\n", {":1", "CONFIG_BATCH_SIZE is no symbol", "here it is GPT2_BATCH_SIZE"}},
    {"\nCONFIG_GPT2_N_LAYER=0\n", {":2", "CONFIG_GPT2_N_LAYER=0", "1 to 4096"}},
    {"CONFIG_GPT2_N_LAYER=4097\n", {":1", "1 to 4096"}},
    {"CONFIG_GPT2_N_LAYER=99999999999999999999\n", {":1", "1 to 4096"}},
    {"CONFIG_GPT2_N_LAYER=012\n", {":1", "leading zeros"}},
    {"CONFIG_GPT2_N_LAYER=0x10\n", {":1", "=0x10 is not a whole number"}},
    {"CONFIG_GPT2_N_LAYER=five\n", {":1", "not a whole number"}},
    {"CONFIG_GPT2_N_LAYER=+3\n", {":1", "not a whole number"}},
    {"CONFIG_GPT2_N_LAYER=\n", {":1", "GPT2_N_LAYER"}},
    {"CONFIG_GPT2_N_LAYER=\"5\"\n", {":1", "not a whole number"}},
    {"CONFIG_GPT2_N_LAYER=64  # wide\n",
     {":1", "=64  # wide is not", "a comment stands on a line of its own"}},
    {"# CONFIG_GPT2_N_LAYER is not set\n", {":1", "GPT2_N_LAYER is a whole number"}},
    {"# CONFIG_SEEDS is not set\n", {":1", "CONFIG_SEEDS=\"\""}},
    {"CONFIG_GPT2_BIAS=m\n", {":1", "CONFIG_GPT2_BIAS=m: must be y or n"}},
    {"CONFIG_GPT2_BIAS=y # yes\n", {":1", "y or n", "a comment stands on a line of its own"}},
    {"CONFIG_GPT2_BIAS=\"y\"\n", {":1", "y or n"}},
    {"CONFIG_SEEDS=1-3\n", {":1", "double quotes"}},
    {"CONFIG_SEEDS=\"1,2\"junk\n", {":1", "after the closing quote: junk"}},
    {"CONFIG_SEEDS=\"1,2\" # three\n", {":1", "after the closing quote", "a line of its own"}},
    {"CONFIG_SEEDS=\"1,2\n", {":1", "no closing quote"}},
    {"CONFIG_SEEDS=\"1,2\\\"\n", {":1", "no closing quote"}},
    {"CONFIG_DATA_PATH=\"C:\\data\"\n", {":1", "after a backslash only"}},
    {"# CONFIG_GPT2_BIAS is  not set\n", {":1", "write '# CONFIG_GPT2_BIAS is not set'"}},
    {"#CONFIG_GPT2_BIAS is not set\n", {":1", "isn't one"}},
    {"# CONFIG_GPT2_BIAS is not set.\n", {":1", "isn't one"}},
    {"# gpt2_bias unset\n", {}},
    {"# GPT2_BIAS unset\n", {":1", "isn't one"}},
    {"CONFIG_GPT2_BIAS is not set\n", {":1", "CONFIG_NAME=VALUE"}},
    {"GPT2_BIAS=y\n", {":1", "write CONFIG_GPT2_BIAS=y"}},
    {" CONFIG_GPT2_BIAS=y\n", {":1", "without blanks"}},
    {"config_GPT2_BIAS=y\n", {":1", "CONFIG_NAME=VALUE"}},
    {"CONFIG_=y\n", {":1", "malformed"}},
    {"CONFIG_GPT2_BIAS=y\nCONFIG_GPT2_BIAS=y\n", {":2", "GPT2_BIAS is set twice", ":1"}},
    {"CONFIG_GPT2_BIAS=y\n# CONFIG_GPT2_BIAS is not set\n", {":2", "set twice"}},
    {"CONFIG_OPTIMIZER=\"sgd\"\n", {":1", "OPTIMIZER=\"sgd\"", "adamwspam, adamw"}},
    {"CONFIG_GPT2_ACTIVATION=\"glu\"\n", {":1", "\"glu\"", "gelu, gelu_tanh, relu2, swiglu"}},
    {"CONFIG_OPTIMIZER=adamw\n", {":1", "double quotes"}},
    {"CONFIG_OPTIMIZER_ADAMW=y\nCONFIG_OPTIMIZER=\"adamwspam\"\n",
     {":2", "contradicts the choice OPTIMIZER", "OPTIMIZER_ADAMW is y at"}},
    {"CONFIG_OPTIMIZER_ADAMW=y\nCONFIG_OPTIMIZER_ADAMWSPAM=y\n",
     {":2", "second member of the choice OPTIMIZER"}},
    {"# CONFIG_OPTIMIZER_ADAMWSPAM is not set\n",
     {":1", "the choice OPTIMIZER comes to adamwspam", "OPTIMIZER_ADAMW with =y"}},
    {"CONFIG_OPTIMIZER=\"adamw\"\n# CONFIG_OPTIMIZER_ADAMW is not set\n", {":1", "contradicts"}},
    {"CONFIG_OPTIMIZER_ADAMW=1\n", {":1", "y or n"}},
    {"\nCONFIG_SEEDS=\"\xff\"\n", {":2", "not UTF-8 text (byte 15 of the line)"}},
    {"\xef\xbb\xbf"
     "CONFIG_GPT2_BIAS=y\n",
     {":1", "begins with a byte-order mark; save it as UTF-8 without one"}},
    {"CONFIG_GPT2_BIAS=y\n\xef\xbb\xbf\n", {":2", "control character"}},
};

TEST(DotConfig, RefusesEachMistakeWithItsLine) {
  for (const auto& bad : kBadFiles) {
    SCOPED_TRACE(bad.text);
    try {
      read(bad.text);
      EXPECT_TRUE(bad.message.empty()) << "was accepted";
    } catch (const UserError& fault) {
      for (const auto& part : bad.message)
        EXPECT_NE(std::string(fault.what()).find(part), std::string::npos)
            << fault.what() << "\n  lacks: " << part;
    }
  }
}

// The first mistake is the error; unknown names come all at once, with what they are called here.
TEST(DotConfig, NamesEveryUnknownSymbolAtOnce) {
  const std::string foreign =
      "CONFIG_GPT2_BIAS=y\nCONFIG_BATCH_SIZE=64\nCONFIG_MODEL_IS_ELSEWHERE=y  # why\nCONFIG_GPT2_N_LAYER=x\n"
      "# CONFIG_GPT2_BIASS is not set\n";
  expect_error([&] { read(foreign); },
               {"/c:2: 3 names are no symbols", "BATCH_SIZE (line 2, here GPT2_BATCH_SIZE)",
                "MODEL_IS_ELSEWHERE (line 3)", "GPT2_BIASS (line 5, here GPT2_BIAS)"});
  expect_error([&] { read("CONFIG_GPT2_N_LAYER=x\n" + foreign); }, {"/c:1", "not a whole number"});
}

TEST(DotConfig, TakesBlanksAndCarriageReturnsAtALinesEnd) {
  EXPECT_EQ(read("CONFIG_GPT2_N_LAYER=5 \r\n# CONFIG_GPT2_BIAS is not set\t\n").bind().gpt.num_layers, 5);
}

TEST(DotConfig, RefusesWhatIsNoTextAndWhatIsNotThere) {
  expect_error([] { read(std::string("CONFIG_GPT2_BIAS=y\0\n", 20)); }, {":1", "control character"});
  expect_error([] { Settings::from_file("/no/such/file"); }, {"/no/such/file", "no such file"});
  expect_error([] { Settings::from_file("/tmp"); }, {"/tmp", "is a folder"});
}

TEST(DotConfig, RefusesRealNumbersThatAreNone) {
  for (const auto* value :
       {"nan", "inf", "-inf", "0x1p-3", "1,5", "", " 0.1", "0.1 ", "0.1f", "1e", "--1", "+0.1", "1e999"})
    expect_error([&] { read(str("\nCONFIG_GPT2_DROPOUT=\"", value, "\"\n")).bind(); },
                 {"/c:2: GPT2_DROPOUT", str("\"", value, "\""), "decimal number"});
}

// A value of a random kind for every symbol.
Settings random_settings(std::mt19937& random) {
  auto settings = Settings::defaults();
  const std::string letters = "ab \"\\#='$\t\xc3\xa4";
  for (const auto& symbol : symbols()) {
    std::string text;
    switch (symbol.type) {
      case SymbolType::kBool:
        text = random() % 2 ? "y" : "n";
        break;
      case SymbolType::kInt:
        text = std::to_string(symbol.least + static_cast<std::int64_t>(random() % 1000) *
                                                 (symbol.most - symbol.least) / 1000);
        break;
      case SymbolType::kChoice:
        text = symbol.members[random() % symbol.members.size()].first;
        break;
      case SymbolType::kString:
        if (is_list_of_whole_numbers(symbol.name)) {
          text = str(1 + random() % 4096, random() % 2 ? "" : ",64");
        } else if (parse_real(symbol.default_value)) {
          text = shortest((1 + static_cast<double>(random() % 1000000)) / 1000001);
        } else {
          for (auto length = random() % 12; length > 0; --length)
            text += letters[random() % (letters.size() - 2)];
        }
    }
    if (random() % 3 != 0) settings.set(symbol.name, text, "test");
  }
  return settings;
}

TEST(DotConfig, FullAndMinimalFormComeBackAsTheyWere) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto config = random_settings(random).bind();
    const auto full = full_dotconfig(config), minimal = minimal_defconfig(config);
    EXPECT_EQ(texts(read(full).bind()), texts(config)) << full;
    EXPECT_EQ(texts(read(minimal).bind()), texts(config)) << minimal;
    EXPECT_LE(minimal.size(), full.size() + 200);
  }
}

TEST(DotConfig, MinimalFormOfTheDefaultsIsEmpty) {
  EXPECT_EQ(minimal_defconfig(Settings::defaults().bind()), "");
  auto settings = Settings::defaults();
  settings.set("GPT2_DROPOUT", "1e-1", "test");
  EXPECT_EQ(minimal_defconfig(settings.bind()), "") << "another spelling is no other value";
  settings.set("OPTIMIZER", "adamw", "test");
  settings.set("GPT2_BIAS", "n", "test");
  EXPECT_EQ(minimal_defconfig(settings.bind()), "# CONFIG_GPT2_BIAS is not set\nCONFIG_OPTIMIZER_ADAMW=y\n");
}

// Damaged files give one error that begins with the file's name, or still a configuration; never a crash.
TEST(DotConfig, SurvivesRandomDamage) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto whole = full_dotconfig(Settings::defaults().bind());
  const TemporaryFolder folder;
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    auto text = whole;
    for (int damage = 0; damage < 1 + static_cast<int>(random() % 3); ++damage) {
      const auto at = random() % text.size();
      if (random() % 2 == 0)
        text[at] = static_cast<char>(random() % 256);
      else
        text.erase(at, 1 + random() % 20);
    }
    const auto path = folder.write("c", text);
    try {
      Settings::from_file(path).bind();
    } catch (const UserError& fault) {
      ++refused;
      EXPECT_TRUE(std::string(fault.what()).starts_with(path.string() + ":")) << fault.what();
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace kablate
