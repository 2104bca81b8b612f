#include "report/page/markup.h"

#include "base/text.h"

namespace kablate::page {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

// The length of the character that begins at `at`, or 0 where none does (RFC 3629: the shortest form, no
// surrogates).
std::size_t character_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  const unsigned second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool none = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || none ? 0 : length;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = character_length(text, at);
    if (length == 0 || is_control(text[at])) {
      result += kReplacement;
    } else if (length > 1) {
      result += text.substr(at, length);
    } else {
      switch (text[at]) {
        case '&':
          result += "&amp;";
          break;
        case '<':
          result += "&lt;";
          break;
        case '>':
          result += "&gt;";
          break;
        case '"':
          result += "&quot;";
          break;
        case '\'':
          result += "&#39;";
          break;
        default:
          result += text[at];
      }
    }
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

std::string shortened(std::string_view text, std::size_t characters) {
  if (display_width(text) <= characters) return std::string(text);
  std::size_t at = 0;
  for (std::size_t i = 0; i + 1 < characters; ++i) at += std::max<std::size_t>(character_length(text, at), 1);
  return str(text.substr(0, at), "…");
}

std::string prose(std::string_view text) {
  const auto parts = split(text, '`');
  std::string result;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool code = i % 2 == 1 && i + 1 < parts.size();
    if (!code && i % 2 == 1) result += "`";  // one that nothing closes
    result += code ? element("code", {}, escaped(parts[i])) : escaped(parts[i]);
  }
  return result;
}

std::string element(std::string_view name, const Attributes& attributes, std::string_view inner) {
  std::string text = str("<", name);
  for (const auto& [attribute, value] : attributes) text += str(" ", attribute, "=\"", escaped(value), "\"");
  return str(text, ">", inner, "</", name, ">");
}

std::string table_markup(const TextTable& table, const std::string& caption) {
  std::string head, body;
  const auto kind = [&](std::size_t i) { return i < table.right.size() && table.right[i] ? "n" : "t"; };
  for (std::size_t i = 0; i < table.headings.size(); ++i)
    head += element("th", {{"scope", "col"}, {"class", kind(i)}}, escaped(table.headings[i]));
  for (const auto& row : table.rows) {
    std::string cells;
    for (std::size_t i = 0; i < row.size(); ++i)
      cells += str("<td class=", kind(i), ">", escaped(row[i]), "</td>");
    body += str("<tr>", cells, "</tr>\n");
  }
  return element("div", {{"class", "wide"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}},
                 str("<table><caption class=unseen>", escaped(caption), "</caption><thead><tr>", head,
                     "</tr></thead><tbody>\n", body, "</tbody></table>"));
}

std::string folded(const std::string& summary, std::string_view inner) {
  return str("<details><summary>", escaped(summary), "</summary>", inner, "</details>\n");
}

std::string data_element(const std::string& id, const Json& data) {
  std::string content;
  for (const char c : data.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&')
      content += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    else
      content += c;
  }
  return element("script", {{"type", "application/json"}, {"id", id}}, content);
}

}  // namespace kablate::page
