#include "stats/sign_flip.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace kablate {
namespace {

// Sums that are equal but for rounding count as equal: relative to the sum of all |differences|.
constexpr double kTie = 1e-12;

double threshold(std::span<const double> differences) {
  double sum = 0, sizes = 0;
  for (const double d : differences) sum += d, sizes += std::abs(d);
  return std::abs(sum) - kTie * sizes;
}

// How many assignments of signs to `rest` bring `sum` to |…| >= `least`.
std::int64_t count_reaching(double sum, std::span<const double> rest, double least) {
  if (rest.empty()) return std::abs(sum) >= least ? 1 : 0;
  return count_reaching(sum + rest.front(), rest.subspan(1), least) +
         count_reaching(sum - rest.front(), rest.subspan(1), least);
}

SignFlip sampled(std::span<const double> differences, double least) {
  constexpr std::size_t kBits = 64;
  // Each sum waits for its last addition: so many draws are made beside one another, each in its own order.
  constexpr std::int64_t kBeside = 8;
  static_assert(kSignFlipDraws % kBeside == 0);
  const std::uint64_t key = stream_key(0, "sign flips");
  const std::size_t words = (differences.size() + kBits - 1) / kBits;
  std::int64_t found = 0;
  for (std::int64_t draw = 0; draw < kSignFlipDraws; draw += kBeside) {
    std::array<double, kBeside> sums{};
    std::array<std::uint64_t, kBeside> bits{};
    for (std::size_t word = 0; word < words; ++word) {
      for (std::size_t k = 0; k < kBeside; ++k)
        bits[k] = random_bits(key, (static_cast<std::uint64_t>(draw) + k) * words + word);
      for (const double value :
           differences.subspan(word * kBits).first(std::min(kBits, differences.size() - word * kBits))) {
        const auto plus = std::bit_cast<std::uint64_t>(value);
        for (std::size_t k = 0; k < kBeside; ++k) {  // a bit of 0 turns the sign
          sums[k] += std::bit_cast<double>(plus ^ (~bits[k] << (kBits - 1)));
          bits[k] >>= 1;
        }
      }
    }
    for (const double sum : sums) found += std::abs(sum) >= least ? 1 : 0;
  }
  return {static_cast<double>(1 + found) / static_cast<double>(1 + kSignFlipDraws), false, kSignFlipDraws};
}

}  // namespace

SignFlip sign_flip(std::span<const double> differences) {
  KABLATE_REQUIRE(!differences.empty(), "no difference");
  const double least = threshold(differences);
  const auto n = differences.size();
  if (n > kMostEnumerated) return sampled(differences, least);
  // An assignment and its opposite give the same |sum|: the first sign can stay.
  const auto half = count_reaching(differences.front(), differences.subspan(1), least);
  const auto all = std::int64_t{1} << n;
  return {static_cast<double>(2 * half) / static_cast<double>(all), true, all};
}

double least_sign_flip_p(std::size_t n) {
  return n <= kMostEnumerated ? std::ldexp(2.0, -static_cast<int>(n))
                              : 1 / static_cast<double>(1 + kSignFlipDraws);
}

}  // namespace kablate
