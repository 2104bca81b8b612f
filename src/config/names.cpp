#include "config/names.h"

#include <utility>

#include "base/text.h"

namespace kablate {
namespace {

constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
#define FOREIGN(theirs, ours) {#theirs, ours},
#include "config/foreign_names.inc"
#undef FOREIGN
};

}  // namespace

Meaning meaning_of(std::string_view unknown, const std::vector<std::string>& known) {
  for (const auto& [theirs, ours] : kForeign)
    if (theirs == unknown) return {std::string(ours), true};
  return {nearest_name(upper(unknown), known)};
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (auto& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

}  // namespace kablate
