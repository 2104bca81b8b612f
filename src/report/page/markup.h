// HTML and SVG as text: whatever comes from a plan, a result or an environment goes through here and can be
// nothing but text on the page.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "report/table.h"

namespace kablate::page {

// For an element's content or a quoted attribute. Bytes that are no UTF-8, and control characters that
// neither HTML nor SVG may hold, become U+FFFD.
std::string escaped(std::string_view text);

// At most so many characters, the last of them "…" where some are left out.
std::string shortened(std::string_view text, std::size_t characters);

// `text` with what stands between backquotes as <code>.
std::string prose(std::string_view text);

using Attributes = std::vector<std::pair<std::string_view, std::string>>;

// <name attribute="value">inner</name>; `inner` is markup already, the values are text.
std::string element(std::string_view name, const Attributes& attributes, std::string_view inner);

// Number columns stand right. Wider than the page it scrolls in its own box; a screen reader hears `caption`.
std::string table_markup(const TextTable& table, const std::string& caption);

// Folded away until asked for, in print as well.
std::string folded(const std::string& summary, std::string_view inner);

// Data for the page's script: an element that no browser runs and whose content can't end it.
std::string data_element(const std::string& id, const Json& data);

}  // namespace kablate::page
