// Text in and out: joining, splitting, and numbers read and written without regard to the locale.
#pragma once

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// The parts printed one after the other: str("n = ", 3).
template <typename... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  // without blanks, tabs and line ends at both ends

// A whole decimal number: an optional '-', then digits, no
// leading zero, nothing else. Empty if `text` is not one.
std::optional<std::int64_t> parse_int(std::string_view text);

// A finite decimal number such as 0.1, 6e-4 or -3. No hex,
// no nan or inf, no blanks. Empty if `text` is not one.
std::optional<double> parse_real(std::string_view text);

// The shortest decimal text that reads back as exactly `value`: 0.1, 0.0006, 1e-08.
std::string shortest(double value);

std::string fixed(double value, int digits);       // 3.14159, 2 -> 3.14
std::string scientific(double value, int digits);  // 0.00123, 1 -> 1.2e-03
std::string grouped(std::int64_t value);           // 1234567 -> 1,234,567
std::string human_bytes(double bytes);             // 1.5 MiB
std::string human_duration(double seconds);        // 2 min 03 s
std::string human_count(double value);             // 230.4M

// "1-3,7" -> {1, 2, 3, 7}: whole numbers >= `least`, none twice. Throws UserError naming `what`.
std::vector<std::int64_t> parse_list(std::string_view text, std::string_view what, std::int64_t least);

// The way back, sorted: {3, 1, 2, 7} -> "1-3, 7"; a run of two is written "1, 2".
std::string list_text(std::vector<std::int64_t> numbers);

// The name in `known` nearest to `name` by edit distance if it is near enough to be a slip; else "".
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace kablate
