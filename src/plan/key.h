// A trial's key: what was asked for, in full. Of trials with one key on one machine every number is equal,
// bit for bit (design, decision 7; spec, section 7). It is the SHA-256 of a text.
//
// What was chosen or built is in it: configuration, data, threads, device, kernels, LibTorch's version,
// sources, compiler and flags. What is merely found, a processor and what libraries make of it and of the
// variables that they read (measure/arithmetic.h), is not: a folder that is looked at, resumed or added to on
// another machine would otherwise begin again there, although nothing in it is wrong. A finished trial
// carries the arithmetic that it was made with instead, and no two trials of different ones are paired
// (report/pairing.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

struct Config;

// The program, as far as numbers depend on it.
struct Build {
  std::string sources;   // KABLATE_SOURCE_KEY of source_key.h
  std::string compiler;  // "GNU 12.2.0"
  std::string flags;     // for all files, then those of the kernels
};

// What a trial's numbers depend on beside its configuration and seed.
struct KeyContext {
  std::string data_hash;       // Dataset::hash()
  std::string init_hash = {};  // of INIT_FROM's file; "" where weights are drawn
  std::int64_t threads = 1;    // of one trial
  std::int64_t ranks = 1;
  std::string device;         // the class: "cpu" or a GPU's name
  std::string kernels;        // what KERNELS comes to there: "portable", "avx2", "avx512"
  std::string torch_version;  // LibTorch's
  Build build;
};

// The text, a line a value ("GPT2_N_LAYER = 3"). It leaves out what says only where,
// how and how often to run, and the symbols that nothing reads under this configuration
// (unused_symbols): a gate's weight does not retrain an arm without gate. The step's
// number is in it, so no trial is ever satisfied by another step's folder.
std::string key_text(const Config& config, std::int64_t step, std::int64_t rerun_index, std::int64_t seed,
                     const KeyContext& context);

// The texts of one arm's trials, which differ in what follows the seed alone: the rest is made once.
class KeyTexts {
 public:
  KeyTexts(const Config& config, std::int64_t step, std::int64_t rerun_index, const KeyContext& context);
  std::string text(std::int64_t seed) const;

 private:
  std::vector<std::string> parts_;  // the seed stands between them
};

// 64 hex digits.
std::string key_of(std::string_view key_text);

// Calls `line` with the name and the value of each line of the text, in order. Lines that are none are left
// out.
void visit_key(std::string_view key_text,
               const std::function<void(std::string_view name, std::string_view value)>& line);

// The text taken apart: a line's name -> its value.
std::map<std::string, std::string> key_values(std::string_view key_text);

// The hash of the text without what a trial's seed decides:
// the same for all seeds of an arm. `config` is the trial's.
std::string arm_key(const Config& config, std::string_view key_text);

// What changed from one trial's text to another's, a phrase each: "GPT2_N_LAYER 3 -> 4". Long hashes are cut.
std::vector<std::string> key_differences(std::string_view then, std::string_view now);

}  // namespace kablate
