#include "config/layer_lists.h"

#include "config/binding.h"
#include "config/settings.h"

namespace kablate {
namespace {

struct Picker {
  const std::vector<std::int64_t>& layers;

  template <typename Number>
  void operator()(std::string_view, PerLayer<Number>& field, Scope, Bounds) {
    if (field.values.size() == 1) return;
    const auto all = field;
    field.values.clear();
    for (const auto layer : layers) field.values.push_back(all.at(layer));
  }
  template <typename Field, typename... More>
  void operator()(std::string_view, Field&, More...) {}
};

}  // namespace

std::string value_of(const Config& config, const std::string& symbol) {
  for (const auto& field : field_values(config))
    if (field.symbol == symbol) return str(symbol, " = ", field.text);
  return symbol;
}

Config with_values_of_layers(Config config, const std::vector<std::int64_t>& layers) {
  visit_fields(config, Picker{layers});
  return config;
}

Config one_layer(Config config, std::int64_t layer) {
  config = with_values_of_layers(config, {layer});
  config.mlp.share_layers = config.gpt.num_layers = 1;
  config.mlp.unshare_at = 0;
  config.gpt.share_main = false;
  return config;
}

}  // namespace kablate
