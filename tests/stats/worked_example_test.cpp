// docs/statistics.md carries one example through by hand: its figures follow from the losses that it gives,
// by the program's own functions, to the digits that it prints.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "report/table.h"
#include "stats/power.h"
#include "stats/sign_flip.h"
#include "stats/verdict.h"

namespace kablate {
namespace {

constexpr int kDigits = 6;  // of the losses, and of what is made of them
constexpr std::size_t kSeeds = 8, kArms = 2;

std::string page() { return read_text(std::filesystem::path(KABLATE_SOURCE_DIR) / "docs/statistics.md"); }

// The page's prose, in which lines break anywhere.
std::string prose() {
  auto text = page();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// The cells of each table row of the page, trimmed.
std::vector<std::vector<std::string>> table_rows() {
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : split(page(), '\n')) {
    if (!line.starts_with("| ")) continue;
    std::vector<std::string> cells;
    for (const auto& cell : split(line.substr(1, line.rfind('|') - 1), '|')) cells.emplace_back(trim(cell));
    rows.push_back(cells);
  }
  return rows;
}

// The rows of the table whose head begins with these cells.
std::vector<std::vector<std::string>> rows_below(const std::vector<std::string>& head) {
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const auto& row : table_rows()) {
    if (std::equal(head.begin(), head.end(), row.begin(), row.begin() + std::min(head.size(), row.size())))
      inside = true;
    else if (inside && row.size() < head.size())
      break;
    else if (inside)
      rows.push_back(row);
  }
  return rows;
}

// What stands behind the last "=" of each line "    NAME = … = VALUE".
std::map<std::string, std::string> values_by_hand() {
  std::map<std::string, std::string> values;
  for (const auto& line : split(page(), '\n')) {
    const auto first = line.find('='), last = line.rfind('=');
    if (line.starts_with("    ") && first != std::string::npos)
      values.emplace(trim(line.substr(0, first)), trim(line.substr(last + 1)));
  }
  return values;
}

class WorkedExample : public testing::Test {
 protected:
  // losses_[step][seed - 1], of the baseline, step 0, and the plan's two arms.
  void SetUp() override {
    const auto rows = rows_below({"seed", "0 mha"});
    ASSERT_GE(rows.size(), kSeeds);
    for (std::size_t seed = 0; seed < kSeeds; ++seed) {
      ASSERT_EQ(rows[seed].size(), kArms + 2);
      ASSERT_EQ(rows[seed][0], std::to_string(seed + 1));
      for (std::size_t step = 0; step <= kArms; ++step)
        losses_[step].push_back(parse_real(rows[seed][step + 1]).value());
    }
    for (std::size_t step = 1; step <= kArms; ++step) {
      arms_.push_back(paired_difference(losses_[step], losses_[0]));
      names_.push_back(std::to_string(step));
    }
    verdicts_ = verdicts(arms_);
  }

  std::vector<double> differences(std::size_t step) const {
    std::vector<double> result;
    for (std::size_t i = 0; i < kSeeds; ++i) result.push_back(losses_[step][i] - losses_[0][i]);
    return result;
  }

  std::vector<double> losses_[kArms + 1];
  std::vector<std::optional<Difference>> arms_;
  std::vector<std::optional<Verdict>> verdicts_;
  std::vector<std::string> names_;
};

std::string shown_interval(const Interval& interval, int digits) {
  return str("[", signed_fixed(interval.low, digits), ", ", signed_fixed(interval.high, digits), "]");
}

TEST_F(WorkedExample, OneArmByHand) {
  const auto text = prose();
  const auto at = text.find(" against step 0. The differences of seeds");
  ASSERT_NE(at, std::string::npos);
  const auto step = static_cast<std::size_t>(text[at - 1] - '0');
  const auto& arm = *arms_.at(step - 1);
  const auto each = differences(step);
  std::string line = "    ";
  for (const double d : each) line += (line.size() > 4 ? "  " : "") + signed_fixed(d, kDigits);
  EXPECT_NE(page().find(line + "\n"), std::string::npos) << line;
  const auto values = values_by_hand();
  const auto value = [&](const char* name) { return values.contains(name) ? values.at(name) : "missing"; };
  EXPECT_EQ(value("sum"), signed_fixed(std::accumulate(each.begin(), each.end(), 0.0), kDigits));
  EXPECT_EQ(value("mean"), signed_fixed(arm.mean, kDigits));
  EXPECT_EQ(value("sum of squares"), fixed(7 * *arm.sd * *arm.sd, 10));
  EXPECT_EQ(value("sd"), fixed(*arm.sd, kDigits));
  EXPECT_EQ(value("standard error"), fixed(*arm.standard_error, kDigits));
  EXPECT_EQ(value("95 % interval"), shown_interval(*arm.interval, kDigits));
  EXPECT_EQ(value("t"), signed_fixed(arm.mean / *arm.standard_error, 3));
  EXPECT_EQ(value("p"), p_text(*arm.p));
  EXPECT_EQ(value("d"), signed_fixed(*arm.effect, 2));
  EXPECT_EQ(value("ρ"), fixed(*arm.correlation, 3));
  EXPECT_EQ(value("p sign flip"), fixed(sign_flip(each).p, 4));
  EXPECT_NE(text.find(str(" ±", fixed(student_t_quantile(0.975, 7), 4), " in 95")), std::string::npos);
  EXPECT_NE(text.find(str("at least ", fixed(least_sign_flip_p(8), 4), ".")), std::string::npos);
}

TEST_F(WorkedExample, HolmAndVerdicts) {
  const auto tests = rows_below({"arm", "change", "95 % interval"});
  const auto words = rows_below({"arm", "interval at 1 - level"});
  ASSERT_GE(tests.size(), kArms);
  ASSERT_GE(words.size(), kArms);
  for (std::size_t i = 0; i < kArms; ++i) {
    const auto& arm = *arms_[i];
    const auto& holm = *verdicts_[i]->holm;
    const auto& row = tests[i];
    SCOPED_TRACE(row[0]);
    ASSERT_EQ(row.size(), 8u);
    EXPECT_TRUE(row[0].starts_with(names_[i] + " "));
    EXPECT_EQ(row[1], signed_fixed(arm.mean, kDigits));
    EXPECT_EQ(row[2], shown_interval(*arm.interval, kDigits));
    EXPECT_EQ(row[3], p_text(*arm.p));
    EXPECT_EQ(row[5], p_text(holm.adjusted_p));
    EXPECT_EQ(row[6], holm.rejected ? "yes" : "no");
    EXPECT_EQ(row[7], fixed(holm.level, 4));
    EXPECT_TRUE(words[i][0].starts_with(names_[i] + " "));
    EXPECT_EQ(words[i][1], shown_interval(interval_of(arm, 1 - holm.level), kDigits));
    EXPECT_EQ(words[i][2], verdicts_[i]->text);
  }
}

// The factors 2 and 1 go to the p in rising order.
TEST_F(WorkedExample, FactorsFollowTheOrderOfP) {
  const auto rows = rows_below({"arm", "change", "95 % interval"});
  for (std::size_t i = 0; i < kArms; ++i) {
    std::size_t smaller = 0;
    for (const auto& other : arms_) smaller += *other->p < *arms_[i]->p ? 1 : 0;
    const auto factor = kArms - smaller;
    EXPECT_EQ(rows[i][4],
              str(factor, " × ", rows[i][3], " = ", p_text(static_cast<double>(factor) * *arms_[i]->p)));
  }
}

TEST_F(WorkedExample, PowerInThisFamily) {
  const double level = kAlpha / kArms;
  EXPECT_NE(prose().find(str("it is ", fixed(smallest_effect(3, level), 2), " with 3 seeds, ",
                             fixed(smallest_effect(8, level), 2), " with 8 and ",
                             fixed(smallest_effect(10, level), 2), " with 10")),
            std::string::npos);
}

}  // namespace
}  // namespace kablate
