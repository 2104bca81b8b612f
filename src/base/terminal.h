// How wide a line may be, and whether it may have colours.
#pragma once

#include <cstddef>

#include "base/live_block.h"

namespace kablate {

constexpr std::size_t kPlainWidth = 100;  // where there is no terminal

// The columns of the terminal that standard output is, 40 at the least; 0 where it is none.
std::size_t terminal_width();

// The same; where it is none what COLUMNS in the environment says (40 or more), or kPlainWidth. For tables
// and text, which nobody reads by lines.
std::size_t output_width();

// Whether standard output is a terminal that shows colours: NO_COLOR and TERM = dumb say that it does not.
bool output_has_colour();

// Whether what stands on standard output can be written over: a terminal, and TERM is not dumb; its rows.
bool output_is_rewritable();
std::size_t output_rows();

// What standard error is: whether lines that stand there can be written over (a terminal, and TERM is not
// dumb) and may have colours, and whether it breaks its lines anew when it becomes narrower.
struct ErrorTerminal {
  bool rewritable = false, colour = false, reflows = true;
};
ErrorTerminal error_terminal();
TerminalSize error_size();  // 80 x 24 where it does not say

}  // namespace kablate
