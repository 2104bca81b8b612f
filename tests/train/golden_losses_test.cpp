// Losses of five small arms as the program's own loop makes them, against what it made before: a change that
// moves a number of training is seen here, whether it was meant or not.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "data/dataset.h"
#include "measure/arithmetic.h"
#include "support/configure.h"
#include "support/engine/kernel_test.h"
#include "support/temporary_folder.h"
#include "train/session.h"

namespace kablate {
namespace {

const char* const kFile = KABLATE_SOURCE_DIR "/tests/train/golden_losses.txt";

const Deltas kSmall = {{"DATASET", "text"},          {"DEVICE", "cpu"},
                       {"GPT2_N_LAYER", "3"},        {"GPT2_N_HEAD", "4"},
                       {"GPT2_N_EMBD", "48"},        {"GPT2_BLOCK_SIZE", "32"},
                       {"GPT2_VOCAB_SIZE", "80"},    {"GPT2_DROPOUT", "0"},
                       {"GPT2_BIAS", "n"},           {"RA_MLA_LATENT_DIM", "16"},
                       {"RA_MLA_MLP_GATE_DIM", "8"}, {"GPT2_MAX_ITERS", "16"},
                       {"GPT2_BATCH_SIZE", "4"},     {"GPT2_GRADIENT_ACCUMULATION", "2"},
                       {"GPT2_WARMUP_STEPS", "2"},   {"GPT2_LEARNING_RATE", "0.01"},
                       {"GPT2_MIN_LR", "0.001"},     {"SPAM_INTERVAL", "3"},
                       {"SPAM_WARMUP_STEPS", "2"},   {"RA_MLA_RA_WINDOW", "9"}};
const std::vector<std::pair<std::string, Deltas>> kArms = {
    {"mla", mechanisms(false, false, false)},
    {"mha", mechanisms(false, false, false) + Deltas{{"ENABLE_RA_MLA", "n"}}},
    {"all", mechanisms(true, true, true)},
    {"untied+reciprocal",
     mechanisms(true, true, true) + Deltas{{"RA_MLA_MLP_TYING_MODE", "untied"}, {"RA_MLA_RA_ALPHA", "0.3"}}},
    {"all-bfloat16", mechanisms(true, true, true) + Deltas{{"DTYPE", "bfloat16"}}}};

// 20,000 letters of a chain whose next letter depends on the last one: there is something to learn.
std::string chain_text() {
  std::mt19937 random(1);  // its numbers are the standard's, those of the distributions are each library's
  std::string text(20000, ' ');
  unsigned last = 0;
  for (auto& letter : text) {
    last = random() % 3 == 0 ? random() % 70 : (7 * last + random() % 5) % 70;
    letter = static_cast<char>('!' + last);
  }
  return text;
}

// The loop of a trial without its files, on one thread with deterministic algorithms.
std::vector<double> train(const Deltas& arm, const std::filesystem::path& text) {
  constexpr std::int64_t kUpdates = 6;
  const Config config = configure(kSmall + Deltas{{"DATA_PATH", text.string()}} + arm);
  Session session(config, /*seed=*/1, open_dataset(config, {}));
  std::vector<double> losses;
  for (std::int64_t i = 0; i < kUpdates; ++i) losses.push_back(session.train_step.run(i).loss);
  return losses;
}

// What the libraries' sums depend on here.
std::string arithmetic_here() {
  const Json here = describe_arithmetic(c10::kCPU);
  return str(here.at("cpu").at("model").get<std::string>(), ", ", here.at("aten").get<std::string>(),
             ", LibTorch ", torch_version(), ", ", arithmetic_id(here));
}

std::string line_of(const std::string& kind, const std::string& arm, const std::vector<double>& losses) {
  std::string line = kind + " " + arm;
  for (const double loss : losses) line += " " + fixed(loss, 8);
  return line;
}

// golden_losses.txt: "arithmetic: TEXT", then "KIND ARM LOSS…".
struct Golden {
  Golden() {
    std::ifstream file(kFile);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string first, second;
      words >> first >> second;
      if (first == "arithmetic:") arithmetic = line.substr(first.size() + 1);
      for (double loss; words >> loss;) losses[{first, second}].push_back(loss);
    }
  }
  std::string arithmetic;
  std::map<std::pair<std::string, std::string>, std::vector<double>> losses;
};

class GoldenLosses : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    at::set_num_threads(1);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  }
  void TearDown() override {
    at::globalContext().setDeterministicAlgorithms(false, false);
    at::set_num_threads(threads_);
    KernelTest::TearDown();
  }

 private:
  int threads_ = at::get_num_threads();
};
INSTANTIATE_TEST_SUITE_P(Cpu, GoldenLosses, each_kind_of_kernels(), instruction_set);

TEST_P(GoldenLosses, AreThoseOfBefore) {
  // Other instruction sets of the libraries moved float32 losses by 3e-7 and bfloat16's by 4e-4.
  constexpr double kLastDigit = 0.5e-8, kOtherFloats = 1e-5, kOtherHalves = 1e-3;
  const TemporaryFolder folder;
  const auto text = folder.write("text", chain_text());
  const Golden golden;
  const bool same = golden.arithmetic == arithmetic_here();
  if (!same)
    std::printf(
        "recorded with %s\nhere is       %s\nso losses are compared at %g relative (bfloat16: %g), not at 8 "
        "digits\n",
        golden.arithmetic.c_str(), arithmetic_here().c_str(), kOtherFloats, kOtherHalves);
  for (const auto& [arm, deltas] : kArms) {
    const auto losses = train(deltas, text);
    EXPECT_LT(losses.back(), losses.front()) << arm << " learns nothing";
    const auto found = golden.losses.find({GetParam(), arm});
    const auto before = found == golden.losses.end() ? std::vector<double>() : found->second;
    const double most = arm.ends_with("bfloat16") ? kOtherHalves : kOtherFloats;
    const auto equal = [&](double now, double then) {
      return std::abs(now - then) <= (same ? kLastDigit : most * then);
    };
    EXPECT_TRUE(std::equal(losses.begin(), losses.end(), before.begin(), before.end(), equal))
        << "before:\n"
        << line_of(GetParam(), arm, before) << "\nnow, to be written to " << kFile
        << " if the change was meant:\n"
        << line_of(GetParam(), arm, losses);
  }
}

}  // namespace
}  // namespace kablate
