#include "interchange/gpt2_format.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

constexpr const char *kEmbedding = "transformer.wte.weight", *kPositions = "transformer.wpe.weight",
                     *kHead = "lm_head.weight", *kFinalBias = "transformer.ln_f.bias",
                     *kFirstHidden = "transformer.h.0.mlp.c_fc.weight",
                     *kFirstMap = "transformer.h.0.attn.c_attn.weight";
constexpr std::string_view kBody = "transformer.", kLayers = "transformer.h.";

// What transformers keeps as Conv1D.
bool is_conv1d(std::string_view name) {
  for (const auto* map :
       {".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight"})
    if (name.ends_with(map)) return true;
  return false;
}

// GPT2Model's names are those of GPT2LMHeadModel without `transformer.`.
StateDict with_body(StateDict tensors) {
  StateDict named;
  for (auto& [name, tensor] : tensors) {
    const bool of_body = name.starts_with("h.") || name.starts_with("wte.") || name.starts_with("wpe.") ||
                         name.starts_with("ln_f.");
    named[of_body ? std::string(kBody) + name : name] = std::move(tensor);
  }
  return named;
}

const StateTensor& needed(const std::string& file, const StateDict& tensors, const char* name,
                          std::size_t dimensions) {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    throw UserError(str(file, ": tensor ", name, " is missing; a GPT-2 of nanoGPT or transformers has it"));
  if (found->second.shape.size() != dimensions)
    throw UserError(str(file, ": tensor ", found->second.name, " has the shape ",
                        shape_text(found->second.shape), "; a GPT-2 has ", dimensions, " dimensions there"));
  return found->second;
}

// Of the layers that the names have.
std::int64_t count_layers(const std::string& file, const StateDict& tensors) {
  std::set<std::int64_t> layers;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(kLayers)) continue;
    const auto number = name.substr(kLayers.size(), name.find('.', kLayers.size()) - kLayers.size());
    const auto layer = parse_int(number);
    if (!layer || *layer < 0)
      throw UserError(str(file, ": tensor ", tensor.name, ": \"", number, "\" is no layer's number"));
    layers.insert(*layer);
  }
  if (layers.empty()) throw UserError(str(file, ": no tensor of a layer, such as ", kFirstMap));
  return *layers.rbegin() + 1;
}

bool same_tensor(const at::Tensor& a, const at::Tensor& b) {
  return a.is_same(b) || (a.sizes() == b.sizes() && at::equal(a.to(at::kFloat), b.to(at::kFloat)));
}

void set_plain(Settings& settings) {
  constexpr const char* kOrigin = "a GPT-2";
  settings.set("EXPERIMENT_NAME", "imported", kOrigin);
  settings.set("RA_MLA_ABLATION_MODE", "n", kOrigin);
  settings.set("ENABLE_RA_MLA", "n", kOrigin);
  for (const auto& mechanism : mechanisms())
    if (mechanism.by_weight())
      settings.set(mechanism.weight_symbol, "0.0", kOrigin);
    else
      settings.set(mechanism.switch_symbol, "n", kOrigin);
}

Settings settings_of(const std::string& file, const StateDict& tensors, Gpt2Format format,
                     const Gpt2Hints& hints) {
  const auto& wte = needed(file, tensors, kEmbedding, 2);
  const std::int64_t V = wte.shape[0], E = wte.shape[1];
  const auto head = tensors.find(kHead);
  const bool tied = head == tensors.end() || same_tensor(head->second.tensor, wte.tensor);
  const auto activation =
      hints.activation.value_or(format == Gpt2Format::kHfGpt2 ? Activation::kGeluTanh : Activation::kGelu);
  Settings settings = Settings::defaults();
  set_plain(settings);
  const auto set = [&](const char* symbol, const std::string& text) { settings.set(symbol, text, file); };
  set("GPT2_N_LAYER", std::to_string(count_layers(file, tensors)));
  set("GPT2_N_HEAD", std::to_string(hints.heads.value()));
  set("GPT2_N_EMBD", std::to_string(E));
  set("GPT2_BLOCK_SIZE", std::to_string(needed(file, tensors, kPositions, 2).shape[0]));
  set("GPT2_VOCAB_SIZE", std::to_string(V));
  set("MLP_EXPANSION", expansion_text(needed(file, tensors, kFirstHidden, 2).shape[0], E));
  set("GPT2_BIAS", tensors.contains(kFinalBias) ? "y" : "n");
  set("GPT2_WEIGHT_TYING", tied ? "y" : "n");
  set("GPT2_ACTIVATION", activation == Activation::kGelu ? "gelu" : "gelu_tanh");
  return settings;
}

// Symbols of which any value can be kept, as far as why_not_gpt2 does not say more.
bool is_free(std::string_view symbol) {
  for (const auto* name :
       {"GPT2_N_LAYER", "GPT2_N_HEAD", "GPT2_N_EMBD", "GPT2_BLOCK_SIZE", "GPT2_VOCAB_SIZE", "GPT2_DROPOUT",
        "GPT2_BIAS", "GPT2_WEIGHT_TYING", "GPT2_ACTIVATION", "MLP_EXPANSION"})
    if (symbol == name) return true;
  return false;
}

ModelSpec described(const Config& config) {
  ModelSpec spec(config);
  spec.compute = {}, spec.frozen_base = false;
  for (auto& layer : spec.layers) layer.compute = {}, layer.frozen_base = false;
  return spec;
}

// What makes the model another one than a GPT-2 of its size, as "SYMBOL = value".
std::vector<std::string> beyond_gpt2(const Config& config) {
  Settings settings = Settings::defaults();
  set_plain(settings);
  const Config plain = settings.bind();
  const auto unread = unused_symbols(config);
  const ModelSpec own = described(config);
  std::vector<std::string> beyond;
  for (const auto& [symbol, text, type, scope] : field_values(config)) {
    if (is_free(symbol) || std::find(unread.begin(), unread.end(), symbol) != unread.end()) continue;
    if (described(with_value_of(config, plain, symbol)) != own) beyond.push_back(str(symbol, " = ", text));
  }
  return beyond;
}

}  // namespace

std::string format_name(Gpt2Format format) { return format == Gpt2Format::kNanoGpt ? "nanogpt" : "hf-gpt2"; }

Gpt2Format format_of(const std::string& file, const StateDict& tensors) {
  const StateDict named = with_body(tensors);
  const auto& map = needed(file, named, kFirstMap, 2);
  const std::int64_t E = width_of(file, tensors);
  if (map.shape == std::vector{3 * E, E}) return Gpt2Format::kNanoGpt;
  if (map.shape == std::vector{E, 3 * E}) return Gpt2Format::kHfGpt2;
  throw UserError(str(file, ": tensor ", map.name, " has the shape ", shape_text(map.shape),
                      "; nanoGPT keeps ", shape_text({3 * E, E}), " there, transformers ",
                      shape_text({E, 3 * E})));
}

std::int64_t width_of(const std::string& file, const StateDict& tensors) {
  return needed(file, with_body(tensors), kEmbedding, 2).shape[1];
}

Gpt2Hints hints_of_config(const Json& config, const std::string& origin) {
  Gpt2Hints hints;
  if (!config.is_object())
    throw UserError(origin + ": is no JSON object; expected transformers' config.json");
  const auto refuse = [&](const char* key, const char* allowed) {
    if (config.contains(key))
      throw UserError(str(origin, ": \"", key, "\": ", config[key].dump(), ": allowed: ", allowed));
  };
  if (config.value("model_type", Json("gpt2")) != "gpt2") refuse("model_type", "\"gpt2\"");
  if (config.contains("n_head")) {
    if (!config["n_head"].is_number_unsigned() || config["n_head"] == 0)
      refuse("n_head", "a whole number >= 1");
    hints.heads = config["n_head"].get<std::int64_t>();
  }
  const Json activation = config.value("activation_function", Json("gelu_new"));
  if (activation == "gelu_new" || activation == "gelu_pytorch_tanh")
    hints.activation = Activation::kGeluTanh;
  else if (activation == "gelu")
    hints.activation = Activation::kGelu;
  else
    refuse("activation_function", "gelu_new, gelu_pytorch_tanh, gelu");
  if (config.value("layer_norm_epsilon", Json(1e-5)) != 1e-5) refuse("layer_norm_epsilon", "1e-05");
  if (config.value("scale_attn_weights", Json(true)) != true) refuse("scale_attn_weights", "true");
  if (config.value("scale_attn_by_inverse_layer_idx", Json(false)) != false)
    refuse("scale_attn_by_inverse_layer_idx", "false");
  return hints;
}

ImportedModel import_gpt2(const std::string& file, StateDict tensors, Gpt2Format format,
                          const Gpt2Hints& hints) {
  const auto found = format_of(file, tensors);
  if (found != format)
    throw UserError(str(file, ": is not ", format_name(format), " but ", format_name(found),
                        ", by the shape of c_attn's weights; give --from ", format_name(found)));
  tensors = with_body(std::move(tensors));
  if (format == Gpt2Format::kHfGpt2)
    for (auto& [name, tensor] : tensors) {
      if (!is_conv1d(name) || tensor.shape.size() != 2) continue;
      std::swap(tensor.shape[0], tensor.shape[1]);
      tensor.tensor = tensor.tensor.t();
    }
  ImportedModel model{settings_of(file, tensors, format, hints), {}};
  const Config config = model.settings.bind();
  validate_model(config);
  model.weights = take_weights(file, std::move(tensors), model_parameters(config));
  return model;
}

std::string why_not_gpt2(const Config& config, Gpt2Format format) {
  const auto beyond = beyond_gpt2(config);
  const std::string no = format_name(format) + " has no place for ";
  if (!beyond.empty()) return no + join(beyond, ", ");
  const ModelSpec spec(config);
  for (const auto& layer : spec.layers) {
    if (layer.F == 0) return no + "MLP_EXPANSION = 0: its layers have an MLP";
    if (layer.F != spec.layers[0].F) return no + "MLP_EXPANSION that differs from layer to layer";
    const bool nanogpt = format == Gpt2Format::kNanoGpt;
    if (nanogpt && layer.F != 4 * layer.E)
      return str(no, "MLPs of ", layer.F, " units; allowed: MLP_EXPANSION = 4");
    if (layer.activation == Activation::kGelu || (!nanogpt && layer.activation == Activation::kGeluTanh))
      continue;
    return str(no, "this GPT2_ACTIVATION; allowed: ", nanogpt ? "gelu" : "gelu, gelu_tanh");
  }
  return "";
}

NamedTensors export_gpt2(const Config& config, const NamedTensors& weights, Gpt2Format format) {
  NamedTensors tensors = weights;
  if (format == Gpt2Format::kNanoGpt) {
    if (config.gpt.tie_embeddings) tensors[kHead] = weights.at(kEmbedding);
    return tensors;
  }
  for (auto& [name, tensor] : tensors)
    if (is_conv1d(name)) tensor = tensor.t().contiguous();
  for (const auto& [name, tensor] : weights) {
    const bool biased = name.starts_with(kBody) && name != kEmbedding && name != kPositions;
    if (!biased || config.gpt.bias || !name.ends_with(".weight")) continue;
    tensors[name.substr(0, name.size() - std::string_view("weight").size()) + "bias"] =
        at::zeros({tensor.size(0)}, at::kFloat);
  }
  return tensors;
}

Json config_of(const Config& config, Gpt2Format format) {
  const auto& gpt = config.gpt;
  if (format == Gpt2Format::kNanoGpt)
    return {{"n_layer", gpt.num_layers}, {"n_head", gpt.num_heads},      {"n_embd", gpt.width},
            {"bias", gpt.bias},          {"vocab_size", gpt.vocabulary}, {"block_size", gpt.context},
            {"dropout", gpt.dropout}};
  const LayerSpec layer = ModelSpec(config).layers[0];
  const bool tanh = layer.activation == Activation::kGeluTanh;
  constexpr std::int64_t kEndOfText = 50256;
  const Json end = gpt.vocabulary > kEndOfText ? Json(kEndOfText) : Json();
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"n_layer", gpt.num_layers},
          {"n_head", gpt.num_heads},
          {"n_embd", gpt.width},
          {"n_inner", layer.F},
          {"n_positions", gpt.context},
          {"vocab_size", gpt.vocabulary},
          {"activation_function", tanh ? "gelu_new" : "gelu"},
          {"layer_norm_epsilon", 1e-5},
          {"resid_pdrop", gpt.dropout},
          {"embd_pdrop", gpt.dropout},
          {"attn_pdrop", gpt.dropout},
          {"tie_word_embeddings", gpt.tie_embeddings},
          {"bos_token_id", end},
          {"eos_token_id", end}};
}

}  // namespace kablate
