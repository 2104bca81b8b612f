# Copies the files that report.html carries into a source file: the page's own, and uPlot's from its Python package.
# CMakeLists.txt includes it for the rule; the rule runs it as a script, with OUT and the files.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "// Written by cmake/PageAssets.cmake.\n#include \"report/page/page.h\"\n\nnamespace kablate::page {\n")
  foreach(name style script plot_style plot_script)
    file(READ "${${name}}" content)
    string(FIND "${content}" ")kablate\"" end)
    if(NOT end EQUAL -1)
      message(FATAL_ERROR "${${name}} contains )kablate\", which ends the text that it is copied into")
    endif()
    string(APPEND text "static const char k_${name}[] = R\"kablate(${content})kablate\";\n")
  endforeach()
  string(APPEND text "const Assets& assets() {\n  static const Assets all{k_style, k_script, k_plot_style, k_plot_script};\n"
                     "  return all;\n}\n}  // namespace kablate::page\n")
  file(WRITE "${OUT}" "${text}")
  return()
endif()

set(KABLATE_UPLOT "" CACHE PATH "Folder with uPlot.iife.js and uPlot.min.css")
foreach(file uPlot.iife.js uPlot.min.css)
  if(NOT EXISTS "${KABLATE_UPLOT}/${file}")
    message(FATAL_ERROR "KABLATE_UPLOT = \"${KABLATE_UPLOT}\" has no ${file}: build with `make`, which installs uplot-python")
  endif()
endforeach()
set(page "${CMAKE_SOURCE_DIR}/src/report/page/assets")
set(page_assets "${CMAKE_BINARY_DIR}/page_assets.cpp")
set(page_files "${page}/page.css" "${page}/page.js" "${KABLATE_UPLOT}/uPlot.min.css" "${KABLATE_UPLOT}/uPlot.iife.js")
list(GET page_files 0 style)
list(GET page_files 1 script)
list(GET page_files 2 plot_style)
list(GET page_files 3 plot_script)
add_custom_command(
  OUTPUT "${page_assets}"
  COMMAND ${CMAKE_COMMAND} "-DOUT=${page_assets}" "-Dstyle=${style}" "-Dscript=${script}" "-Dplot_style=${plot_style}"
          "-Dplot_script=${plot_script}" -P "${CMAKE_CURRENT_LIST_FILE}"
  DEPENDS ${page_files} "${CMAKE_CURRENT_LIST_FILE}"
  COMMENT "Copying what report.html carries" VERBATIM)
target_sources(kablate_core PRIVATE "${page_assets}")
