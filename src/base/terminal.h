// How wide a line may be, and whether it may have colours.
#pragma once

#include <cstddef>

namespace kablate {

constexpr std::size_t kPlainWidth = 100;  // where there is no terminal

// The columns of the terminal that standard output is, 40 at the least; 0 where it is none.
std::size_t terminal_width();

// The same; kPlainWidth where it is none. For tables and text, which nobody reads by lines.
std::size_t output_width();

// Whether standard output is a terminal that shows colours: NO_COLOR and TERM = dumb say that it does not.
bool output_has_colour();

}  // namespace kablate
