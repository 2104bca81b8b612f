#include "support/engine/twin.h"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace kablate {

std::uint32_t seed_of_this_run() {
  static const std::uint32_t seed = [] {
    const char* chosen = std::getenv("KABLATE_TEST_SEED");
    const auto drawn =
        chosen != nullptr ? static_cast<std::uint32_t>(std::atoll(chosen)) : std::random_device{}();
    std::printf("KABLATE_TEST_SEED=%u\n", drawn);
    return drawn;
  }();
  return seed;
}

double gap(const at::Tensor& x, const at::Tensor& exact) {
  const double whole = exact.norm().item<double>(),
               difference = (x.to(at::kDouble) - exact).norm().item<double>();
  return whole > 1e-9 ? difference / whole : difference;
}

}  // namespace kablate
