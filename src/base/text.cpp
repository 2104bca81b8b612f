#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "base/error.h"

namespace kablate {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t end; (end = text.find(separator, start)) != std::string_view::npos; start = end + 1)
    parts.emplace_back(text.substr(start, end - start));
  parts.emplace_back(text.substr(start));
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const auto& part : parts) {
    if (&part != &parts.front()) joined += separator;
    joined += part;
  }
  return joined;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0') || text == "-0") return {};
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return {};
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  // from_chars would take "inf", "nan" and, without this check, nothing of a "+1" either.
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return {};
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

std::string shortest(double value) {
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

namespace {

std::string formatted(double value, std::chars_format format, int digits) {
  std::array<char, 400> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, digits);
  return {buffer.data(), result.ptr};
}

}  // namespace

std::string fixed(double value, int digits) { return formatted(value, std::chars_format::fixed, digits); }

std::string scientific(double value, int digits) {
  return formatted(value, std::chars_format::scientific, digits);
}

std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  const int first = value < 0 ? 1 : 0;
  for (int place = static_cast<int>(digits.size()) - 3; place > first; place -= 3) digits.insert(place, ",");
  return digits;
}

std::string human_bytes(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) bytes /= 1024, ++unit;
  return fixed(bytes, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

std::string human_duration(double seconds) {
  if (seconds < 59.5) return fixed(seconds, seconds < 9.95 ? 1 : 0) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  if (whole < 3600) return str(whole / 60, " min ", two(whole % 60), " s");
  return str(whole / 3600, " h ", two(whole / 60 % 60), " min");
}

std::string human_count(double value) {
  constexpr std::array kUnits{"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) value /= 1000, ++unit;
  return fixed(value, unit == 0 ? 0 : 1) + kUnits[unit];
}

std::vector<std::int64_t> parse_list(std::string_view text, std::string_view what, std::int64_t least) {
  constexpr std::int64_t kMost = 100000;  // a slip such as 1-10000000 must not fill the memory
  const auto fail = [&](const std::string& why) -> UserError {
    return UserError(str(what, " = \"", text, "\": ", why, "; allowed: whole numbers >= ", least,
                         " as a list with ranges, such as ", least, "-", least + 2, " or ", least, ",",
                         least + 4));
  };
  std::vector<std::int64_t> values;
  std::set<std::int64_t> seen;
  for (const auto& part : split(text, ',')) {
    const auto dash = part.find('-', 1);
    const auto first = parse_int(trim(std::string_view(part).substr(0, dash)));
    const auto last =
        dash == std::string::npos ? first : parse_int(trim(std::string_view(part).substr(dash + 1)));
    if (!first || !last) throw fail(str("\"", part, "\" is not a whole number or a range"));
    if (*first < least) throw fail(str(*first, " is too small"));
    if (*last < *first) throw fail(str("the range ", part, " runs backwards"));
    const std::int64_t count = *last - *first;
    if (count >= kMost - std::ssize(values)) throw fail(str("a list has at most ", kMost, " members"));
    for (std::int64_t i = 0; i <= count; ++i) {
      const std::int64_t value = *first + i;
      if (!seen.insert(value).second) throw fail(str(value, " stands twice"));
      values.push_back(value);
    }
  }
  return values;
}

std::string list_text(std::vector<std::int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::string> parts;
  for (std::size_t first = 0, last = 0; first < numbers.size(); first = ++last) {
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (last == first + 1) last = first;  // of two, each stands alone
    parts.push_back(last == first ? str(numbers[first]) : str(numbers[first], "-", numbers[last]));
  }
  return join(parts, ", ");
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 4) + 1;
  for (const auto& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t swap = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, swap}));
      }
    }
    if (row.back() < best_distance) best_distance = row.back(), best = candidate;
  }
  return best;
}

}  // namespace kablate
