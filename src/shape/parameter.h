// A parameter tensor as every layer of the program knows it: name, shape, initial distribution, part.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

constexpr double kLinearDeviation = 0.02;  // of embeddings and linear maps (spec, section 4)

// The rows of `plan`'s table of parameters by part, beside those of the mechanisms (config/mechanism.h).
struct Part {
  static constexpr const char *kEmbedding = "embedding", *kAttention = "attention", *kMlp = "mlp",
                              *kNorm = "norm", *kHead = "head", *kAdapter = "lora";
};

// By its name: a matrix [n, F] may be the biases of n maps.
inline bool is_bias(std::string_view name) { return name.ends_with("bias"); }
// The map that chooses experts.
inline bool is_router(std::string_view name) { return name.ends_with("router.weight"); }

struct Parameter {
  std::string name;  // spec, section 5: the key in a checkpoint
  std::vector<std::int64_t> shape;
  double mean = 0, deviation = 0;  // N(mean, deviation); deviation 0 is a constant (spec, section 4)
  std::string part = Part::kEmbedding;
  bool own = false;        // the layer's, where it shares the rest of the part with others
  bool trained = true;     // false: keeps its initial values, has no gradient and no moments
  double bound = 0;        // above 0: uniform in mean ± bound instead
  bool adaptable = false;  // the weight of a linear layer that adapters may stand beside
  bool wide = false;       // read in float32 at least, whatever matrix products are computed in
  bool active = true;      // false: of experts beyond as many as a token goes through

  std::int64_t count() const {
    std::int64_t product = 1;
    for (const auto size : shape) product *= size;
    return product;
  }

  // Whether PRUNE sets entries of it to 0: a map, and none of embeddings, head, an autoencoder's decoder,
  // critic, router and adapters; and not what keeps its values, as long as it does.
  bool prunable() const {
    return trained && shape.size() >= 2 && part != Part::kEmbedding && part != Part::kHead &&
           part != Part::kAdapter && !is_router(name) && !is_bias(name);
  }
};

// What an adapter's two maps are called after the map that they stand beside.
constexpr const char *kAdapterDown = ".lora_A.weight", *kAdapterUp = ".lora_B.weight";

// "….c_attn" of "….c_attn.weight" and of the tensors of its adapter.
inline std::string map_name(const std::string& tensor) {
  const auto adapter = tensor.find(".lora_");
  return tensor.substr(0, adapter == std::string::npos ? tensor.rfind('.') : adapter);
}

struct AdapterScale {
  double scale = 1, dropout = 0;
};

// The parameters of a model: tensors that it owns, and other names by which parts of it use them. A tied head
// is a use of the embedding, a shared map a use of the lowest layer's. What is counted, drawn, updated and
// stored is what is owned.
struct ParameterTable {
  std::vector<Parameter> owned;                  // in the order of the forward pass
  std::map<std::string, std::string> uses;       // name -> the owned tensor's name
  std::map<std::string, AdapterScale> adapters;  // by the map's name without ".weight", as the layer calls it

  ParameterTable() = default;
  ParameterTable(std::vector<Parameter> parameters)  // NOLINT(google-explicit-constructor): without uses
      : owned(std::move(parameters)) {}

  auto begin() const { return owned.begin(); }
  auto end() const { return owned.end(); }
  std::size_t size() const { return owned.size(); }
};

}  // namespace kablate
