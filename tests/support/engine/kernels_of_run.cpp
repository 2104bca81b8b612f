// KABLATE_TEST_KERNELS = portable, avx2 or avx512: the kernels that a whole run of the tests computes with,
// but for tests that choose their own. Where the CPU lacks them the run ends with 77, which ctest calls
// skipped.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/enum_names.h"
#include "model/kernel/choice.h"

namespace kablate {
namespace {

constexpr int kSkipped = 77;

KernelKind kind_of(const std::string& name) {
  for (const auto kind : {KernelKind::kPortable, KernelKind::kAvx2, KernelKind::kAvx512})
    if (enum_name(kind) == name) return kind;
  throw UserError("KABLATE_TEST_KERNELS = " + name + ": allowed: portable, avx2, avx512");
}

class KernelsOfRun : public testing::Environment {
  void SetUp() override {
    const char* chosen = std::getenv("KABLATE_TEST_KERNELS");
    if (chosen == nullptr) return;
    const auto kind = kind_of(chosen);
    try {
      use_kernels(kind, c10::kCPU);
    } catch (const UserError& fault) {
      std::printf("%s\n", fault.what());
      std::exit(kSkipped);
    }
  }
};

[[maybe_unused]] const auto* const kRegistered = testing::AddGlobalTestEnvironment(new KernelsOfRun);

}  // namespace
}  // namespace kablate
