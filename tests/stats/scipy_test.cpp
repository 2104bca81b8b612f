// Agreement with SciPy 1.17.1 on 1,000 random inputs: make_scipy_figures.py says how inputs and figures were
// made; the inputs are made here again.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <vector>

#include "stats/paired.h"
#include "stats/power.h"
#include "stats/sign_flip.h"

namespace kablate {
namespace {

constexpr double kGrid = 1 << 20;

// What a row of the file holds, in its order.
struct Figures {
  double quantile, probability, low, high, p, correlation, reaching, sd_low, sd_high, power, welch_low,
      welch_high, welch_p, welch_degrees;
};

std::vector<Figures> read_figures() {
  std::ifstream file(KABLATE_SOURCE_DIR "/tests/stats/scipy_figures.txt");
  std::vector<Figures> rows;
  for (Figures f; file >> f.quantile >> f.probability >> f.low >> f.high >> f.p >> f.correlation >>
                  f.reaching >> f.sd_low >> f.sd_high >> f.power >> f.welch_low >> f.welch_high >>
                  f.welch_p >> f.welch_degrees;)
    rows.push_back(f);
  return rows;
}

double uniform(std::size_t row, std::uint64_t j) {
  std::uint64_t z = (64 * row + j + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double on_grid(double value) { return std::floor(value * kGrid) / kGrid; }

std::size_t whole(std::size_t least, std::size_t range, double u) {
  return least + static_cast<std::size_t>(static_cast<double>(range) * u);
}

// Calls check(figures, u) for each row; u(j) is its j-th number.
template <typename Check>
void for_each_row(Check&& check) {
  const auto rows = read_figures();
  ASSERT_EQ(rows.size(), 1000u);
  for (std::size_t row = 0; row < rows.size() && !testing::Test::HasFailure(); ++row) {
    SCOPED_TRACE(testing::Message() << "line " << row + 1 << " of scipy_figures.txt");
    check(rows[row], [row](std::uint64_t j) { return uniform(row, j); });
  }
}

// Relative, so that a small p is held to as many digits as a large one.
void expect_close(double value, double reference) {
  EXPECT_NEAR(value, reference, 1e-9 * std::abs(reference) + 1e-15);
}

TEST(SciPy, AgreesOnStudentT) {
  for_each_row([](const Figures& f, auto u) {
    const double degrees = 1 + 200 * u(0) * u(0) * u(0);
    expect_close(student_t_quantile(0.001 + 0.998 * u(1), degrees), f.quantile);
    expect_close(student_t_cdf(12 * (u(2) - 0.5), degrees), f.probability);
  });
}

TEST(SciPy, AgreesOnPairedDifferences) {
  for_each_row([](const Figures& f, auto u) {
    const double confidence = 0.5 + 0.499 * u(4), shift = 0.05 * (u(5) - 0.5), spread = 0.002 + 0.1 * u(6);
    std::vector<double> baseline, treated, differences;
    for (std::size_t i = 0; i < whole(2, 11, u(3)); ++i) {
      baseline.push_back(on_grid(3 + 0.05 * u(8 + i)));
      treated.push_back(baseline[i] + on_grid(shift + spread * (u(20 + i) - 0.5)));
      differences.push_back(treated[i] - baseline[i]);
    }
    const auto result = paired_difference(treated, baseline, confidence);
    EXPECT_NEAR(result.interval.value().low, f.low, 1e-11);  // near 0 the file has fewer digits
    EXPECT_NEAR(result.interval.value().high, f.high, 1e-11);
    EXPECT_NEAR(result.mean, (f.low + f.high) / 2, 1e-11);
    expect_close(result.p.value(), f.p);
    expect_close(correlation(treated, baseline).value(), f.correlation);
    const auto flips = sign_flip(differences);
    EXPECT_TRUE(flips.exact);
    EXPECT_EQ(flips.p, std::ldexp(f.reaching, -static_cast<int>(differences.size())));
  });
}

TEST(SciPy, AgreesOnUnpairedDifferences) {
  for_each_row([](const Figures& f, auto u) {
    const double confidence = 0.5 + 0.499 * u(4), shift = 0.05 * (u(5) - 0.5), spread = 0.002 + 0.1 * u(6);
    std::vector<double> treated, other;
    for (std::size_t i = 0; i < whole(2, 11, u(3)); ++i)
      treated.push_back(on_grid(3 + 0.05 * u(8 + i)) + on_grid(shift + spread * (u(20 + i) - 0.5)));
    for (std::size_t i = 0; i < whole(2, 11, u(46)); ++i)
      other.push_back(on_grid(3 + 0.2 * u(47) * (u(50 + i) - 0.5)));
    const auto result = unpaired_difference(treated, other, confidence);
    EXPECT_NEAR(result.interval.value().low, f.welch_low, 1e-11 * (1 + std::abs(f.welch_low)));
    EXPECT_NEAR(result.interval.value().high, f.welch_high, 1e-11 * (1 + std::abs(f.welch_high)));
    expect_close(result.p.value(), f.welch_p);
    expect_close(result.degrees.value(), f.welch_degrees);
  });
}

TEST(SciPy, AgreesOnTheIntervalOfAStandardDeviation) {
  for_each_row([](const Figures& f, auto u) {
    const auto interval = sd_interval(0.001 + u(40), whole(2, 60, u(41)), 0.5 + 0.499 * u(42));
    expect_close(interval.low, f.sd_low);
    expect_close(interval.high, f.sd_high);
  });
}

TEST(SciPy, AgreesOnPower) {
  for_each_row([](const Figures& f, auto u) {
    const double alpha = 0.05 / (1 + std::floor(10 * u(45)));
    expect_close(paired_t_power(4 * u(44), whole(2, 30, u(43)), alpha), f.power);
  });
}

}  // namespace
}  // namespace kablate
