// The table of a report in the few columns that a paper or a README has room for, with a caption that says
// what they mean.
#pragma once

#include <string>

#include "report/report.h"
#include "report/table.h"

namespace kablate {

TextTable paper_table(const Report& report);

// Sentences: what the columns are, the seeds, the test, and what makes the table unbelievable.
std::string paper_caption(const Report& report);

// A table environment for LaTeX with booktabs. Everything is escaped; the notes stand above it as comments.
std::string render_latex(const Report& report);

// The same for Markdown, the notes folded away beneath it (an HTML details element).
std::string render_short_markdown(const Report& report);

// Text for LaTeX: signs of numbers, ± and < in mathematics, what it takes as a command escaped.
std::string latex_text(const std::string& utf8);

}  // namespace kablate
