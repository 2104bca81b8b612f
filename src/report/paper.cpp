#include "report/paper.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/control_characters.h"
#include "base/text.h"
#include "report/columns.h"
#include "report/sections.h"

namespace kablate {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "-0.1" and "+0.1", but not "gate+cross" and not "t-test".
bool is_sign(const std::string& text, std::size_t at) {
  if (text[at] != '-' && text[at] != '+') return false;
  const bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '[';
  return begins && at + 1 < text.size() && is_digit(text[at + 1]);
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kReplaced{{
    {"\\", "\\textbackslash{}"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"$", "\\$"},
    {"&", "\\&"},
    {"#", "\\#"},
    {"%", "\\%"},
    {"_", "\\_"},
    {"^", "\\textasciicircum{}"},
    {"~", "\\textasciitilde{}"},
    {"`", "\\textasciigrave{}"},
    {"<", "$<$"},
    {">", "$>$"},
    {"|", "$|$"},
    {"\"", "''"},
    {"[", "{[}"},  // behind \\ it would begin an argument
    {"*", "{*}"},  // likewise
    {"±", "$\\pm$"},
    {"α", "$\\alpha$"},
    {"ρ", "$\\rho$"},
    {"−", "$-$"},
    {"…", "\\ldots{}"},
}};

// Two of these side by side would become one other sign: a dash, a quotation mark.
bool joins_the_next(const std::string& text, std::size_t at) {
  return (text[at] == '-' || text[at] == '\'' || text[at] == ',') && at + 1 < text.size() &&
         text[at + 1] == text[at];
}

// What pdflatex's own fonts have no sign for; lualatex and xelatex take any.
bool beyond_pdflatex(const std::string& latex) {
  for (std::size_t i = 0; i < latex.size(); ++i) {
    const auto byte = static_cast<unsigned char>(latex[i]);
    if (byte >= 0xC6) return true;  // from U+0180 on
  }
  return false;
}

std::string label_of(const Report& report) {
  std::string name = experiment_name(report);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'); }, '-');
  return "tab:" + name;
}

std::string comment(const std::string& text) { return "% " + without_controls(text) + "\n"; }

// Text that would make the table wider than a page is broken.
std::string latex_columns(const TextTable& table) {
  constexpr std::size_t kLongText = 20;
  std::string columns;
  for (std::size_t i = 0; i < table.headings.size(); ++i) {
    std::size_t longest = 0;
    for (const auto& row : table.rows) longest = std::max(longest, display_width(row[i]));
    columns += table.right[i] ? "r" : longest > kLongText ? "p{0.17\\linewidth}" : "l";
  }
  return columns;
}

std::string latex_row(const std::vector<std::string>& cells) {
  std::vector<std::string> texts;
  for (const auto& cell : cells) texts.push_back(latex_text(cell));
  return "    " + join(texts, " & ") + " \\\\\n";
}

std::string seeds_phrase(const Report& report) {
  const auto planned =
      str(report.seeds.size(), report.seeds.size() == 1 ? " seed " : " seeds ", list_text(report.seeds));
  const bool all = std::all_of(report.rows.begin(), report.rows.end(),
                               [&](const auto& row) { return row.seeds == report.seeds.size(); });
  return all ? planned : str("finished seeds (column seeds) of the ", planned);
}

bool any_unpaired(const Report& report) {
  return std::any_of(report.rows.begin(), report.rows.end(),
                     [](const auto& row) { return row.delta && !row.delta->paired; });
}

}  // namespace

std::string latex_text(const std::string& given) {
  const auto utf8 = without_controls(given);
  std::string text;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto rest = std::string_view(utf8).substr(i);
    const auto found =
        std::ranges::find_if(kReplaced, [&](const auto& pair) { return rest.starts_with(pair.first); });
    if (found != kReplaced.end()) {
      text += found->second, i += found->first.size();
    } else if (is_sign(utf8, i)) {
      text += str("$", utf8[i], "$"), ++i;
    } else {
      text += utf8[i], text += joins_the_next(utf8, i) ? "{}" : "", ++i;
    }
  }
  return text;
}

TextTable paper_table(const Report& report) { return make_table(report, paper_columns()); }

std::string paper_caption(const Report& report) {
  const auto* baseline = report.find_row(report.baseline);
  std::string text;
  for (const auto& fault : report.faults) text += "No verdict of this table can be believed: " + fault + ". ";
  text += str(report.name, ". ", report.judged, " (", report.unit,
              ") at the end of training: mean ± standard deviation over the ", seeds_phrase(report), ".");
  const std::string caution = report.caution.empty() ? "" : " " + report.caution;
  if (baseline == nullptr || report.rows.size() < 2) return text + caution;
  text += str(" Change: the difference to ", baseline->name, " (", compared_with(report),
              "), paired by seed, with its 95 % interval (Student's t).");
  text += str(" p: of the paired t test, adjusted by Holm in the family of ", report.family,
              report.family == 1 ? " arm" : " arms", "; the verdict is at that level, α = ", shortest(kAlpha),
              ".");
  if (any_unpaired(report)) text += " Unpaired: two samples, Welch's test.";
  return text + caution;
}

std::string render_latex(const Report& report) {
  const auto table = paper_table(report);
  std::string body;
  for (const auto& row : table.rows) body += latex_row(row);
  const std::string content =
      str("\\begin{table}\n  \\centering\n  \\footnotesize\n  \\setlength{\\tabcolsep}{4pt}\n  \\caption{",
          latex_text(paper_caption(report)), "}\n  \\label{", label_of(report), "}\n  \\begin{tabular}{",
          latex_columns(table), "}\n    \\toprule\n", latex_row(table.headings), "    \\midrule\n", body,
          "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
  std::string text =
      comment(str("kablate report --format latex ", report.folder, "; needs \\usepackage{booktabs}"));
  if (beyond_pdflatex(content))
    text += comment("It has characters that pdflatex's fonts lack: use lualatex or xelatex.");
  for (const auto& note : report.notes) text += comment(note);
  return text + content;
}

std::string render_short_markdown(const Report& report) {
  std::string text =
      str(markdown_table(paper_table(report)), "\n", markdown_text(paper_caption(report)), "\n");
  if (report.notes.empty()) return text;
  text += "\n<details><summary>Notes</summary>\n\n";
  for (const auto& note : report.notes) text += "- " + markdown_prose(note) + "\n";
  return text + "\n</details>\n";
}

}  // namespace kablate
