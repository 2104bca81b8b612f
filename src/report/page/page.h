// report.html: the whole of a report on one page that needs nothing but itself. Start here in page/.
#pragma once

#include <string>

#include "record/layout.h"
#include "report/report.h"

namespace kablate {

// From files alone, and the same bytes from the same files. Figures and tables are written here; curves are
// drawn by the page's script from data that it carries. The page forbids itself every request.
std::string render_page(const ExperimentFolder& folder, const Report& report);

namespace page {

// What the build copied in (cmake/PageAssets.cmake): the page's own style and script, and uPlot's.
struct Assets {
  const char *style, *script, *plot_style, *plot_script;
};
const Assets& assets();

}  // namespace page
}  // namespace kablate
