#include "model/attention/attention.h"

#include "model/attention/deepseek.h"
#include "model/attention/mla.h"

namespace kablate {

std::unique_ptr<Attention> make_attention(const LayerSpec& layer, const ParameterSet& parameters) {
  switch (layer.attention) {
    case AttentionKind::kMultiHead:
      return std::make_unique<MultiHeadAttention>(layer, parameters);
    case AttentionKind::kLatent:
      return std::make_unique<LatentAttention>(layer, parameters);
    case AttentionKind::kDeepseek:
      return std::make_unique<DeepseekAttention>(layer, parameters);
    case AttentionKind::kNone:
      break;
  }
  return nullptr;
}

}  // namespace kablate
