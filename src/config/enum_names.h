// The names of a choice's values, in the order of its enum; the menu's members are checked against them at
// start-up.
#pragma once

#include <string>
#include <string_view>

#include "config/data_options.h"
#include "config/model_options.h"
#include "config/objective_options.h"
#include "config/optim_options.h"

namespace kablate {

template <typename Enum>
struct EnumNames;
#define KABLATE_ENUM_NAMES(Enum, ...)                           \
  template <>                                                   \
  struct EnumNames<Enum> {                                      \
    static constexpr std::string_view kNames[] = {__VA_ARGS__}; \
  };
KABLATE_ENUM_NAMES(Tying, "tied_transpose", "untied", "per_head_scalar")
KABLATE_ENUM_NAMES(Sparsity, "topk", "none", "rms")
KABLATE_ENUM_NAMES(GatePool, "causal_mean", "token", "sequence")
KABLATE_ENUM_NAMES(NormPlacement, "pre", "post", "hybrid")
KABLATE_ENUM_NAMES(NormKind, "layernorm", "rmsnorm")
KABLATE_ENUM_NAMES(Direction, "causal", "bidirectional")
KABLATE_ENUM_NAMES(ObjectiveKind, "next_token", "masked_token")
KABLATE_ENUM_NAMES(MaskSchedule, "fixed", "uniform")
KABLATE_ENUM_NAMES(Positions, "learned", "rotary", "none")
KABLATE_ENUM_NAMES(MlaForm, "latent", "deepseek")
KABLATE_ENUM_NAMES(LatentSource, "project", "slice", "frozen")
KABLATE_ENUM_NAMES(Activation, "gelu", "gelu_tanh", "relu2", "swiglu")
KABLATE_ENUM_NAMES(SharePattern, "adjacent", "cyclic")
KABLATE_ENUM_NAMES(OptimizerKind, "adamwspam", "adamw")
KABLATE_ENUM_NAMES(PruneKind, "none", "magnitude", "moments")
KABLATE_ENUM_NAMES(DatasetKind, "shakespeare", "text", "bin", "lines", "mqar", "induction", "recall",
                   "in_context_recall", "noisy_recall", "fuzzy_recall", "selective_copy", "memorization",
                   "compression", "repeats")
KABLATE_ENUM_NAMES(TokenizerKind, "character", "gpt2")
KABLATE_ENUM_NAMES(DeviceKind, "auto", "cpu", "cuda")
KABLATE_ENUM_NAMES(KernelKind, "auto", "portable", "avx2", "avx512")
KABLATE_ENUM_NAMES(DType, "float32", "bfloat16")
#undef KABLATE_ENUM_NAMES

template <typename Enum>
std::string enum_name(Enum value) {
  return std::string(EnumNames<Enum>::kNames[static_cast<int>(value)]);
}

}  // namespace kablate
