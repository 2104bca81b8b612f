// GPT-2's weights as other programs keep them, and the configuration that they belong to.
//
//   nanogpt    nanoGPT's model.state_dict(): our names, linear weights [out, in], GELU by erf
//   hf-gpt2    GPT2LMHeadModel's or GPT2Model's of the package transformers: the same names, of the latter
//              without `transformer.`; a block's four maps are Conv1D, whose weights are [in, out]; GELU by
//              tanh unless config.json says otherwise; always with biases
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/config.h"
#include "config/settings.h"
#include "interchange/weights.h"

namespace kablate {

enum class Gpt2Format { kNanoGpt, kHfGpt2 };
std::string format_name(Gpt2Format format);  // "nanogpt", "hf-gpt2"

// Which of the two a file is, told by the shape of c_attn's weights. Throws UserError naming `file` if it is
// neither.
Gpt2Format format_of(const std::string& file, const StateDict& tensors);

// What weights alone don't say.
struct Gpt2Hints {
  std::optional<std::int64_t> heads;
  std::optional<Activation> activation;
};

// From transformers' config.json. Throws UserError, naming `origin` and the setting, where it says something
// of the mathematics that we have not.
Gpt2Hints hints_of_config(const Json& config, const std::string& origin);

struct ImportedModel {
  Settings settings;     // the menu's defaults, but for what a GPT-2 is and what the weights say
  NamedTensors weights;  // by our names
};

// The weights by our names and the configuration that they belong to. Throws UserError naming `file` and the
// tensor that does not map: missing, unknown, of another shape or type. REQUIRES: hints.heads.
ImportedModel import_gpt2(const std::string& file, StateDict tensors, Gpt2Format format,
                          const Gpt2Hints& hints);

std::int64_t width_of(const std::string& file, const StateDict& tensors);  // E, by the token embedding

// Why a model can't be kept in a format, naming the symbols with their values; "" if it can.
std::string why_not_gpt2(const Config& config, Gpt2Format format);

// A model's weights (by our names) in a format, whole: with a tied head twice for nanoGPT, whose
// load_state_dict asks for both, and with zeros for the biases that transformers' always has.
// REQUIRES: why_not_gpt2() is "".
NamedTensors export_gpt2(const Config& config, const NamedTensors& weights, Gpt2Format format);

// What belongs beside them: transformers' config.json, or nanoGPT's model_args.
Json config_of(const Config& config, Gpt2Format format);

}  // namespace kablate
