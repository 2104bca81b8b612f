#include "cli/version.h"

#include <build_flags.h>

#include "base/text.h"
#include "cli/options.h"
#include "measure/arithmetic.h"
#include "measure/checkout.h"
#include "model/kernel/choice.h"

namespace kablate {
namespace {

std::string checkout_text() {
  const Json checkout = describe_checkout(source_folder());
  if (checkout.contains("reason")) return str("unknown: ", checkout.at("reason").get<std::string>());
  const Json& dirty = checkout.at("dirty");
  return str(checkout.at("commit").get<std::string>(), !dirty.is_boolean()
                                                           ? ", whether it was changed is unknown"
                                                       : dirty.get<bool>() ? ", changed since"
                                                                           : "");
}

}  // namespace

std::string version_text() {
  const Build build = this_build();
  return str("kablate ", KABLATE_VERSION, "\ncommit    ", checkout_text(), "\nsources   ", build.sources,
             "\ncompiler  ", build.compiler, "\nflags     ", build.flags, "\nLibTorch  ", torch_version(),
             "\nkernels   ", resolved_kernels(KernelKind::kAuto, c10::Device(c10::kCPU)), ", on this CPU");
}

}  // namespace kablate
