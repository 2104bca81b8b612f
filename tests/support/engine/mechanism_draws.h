// Mechanisms and their options drawn at random, for tests that hold any combination against something: what
// the table of mechanisms has is drawn, so that a new one is among them.
#pragma once

#include <random>

#include "support/configure.h"

namespace kablate {

// Every symbol of every mechanism: switches and bools y or n, choices any member, weights and numbers one of
// those that stand in the .cpp, about the size of small_config(). Any combination: some make no model. Throws
// std::logic_error saying which symbol has no values there.
Deltas draw_mechanisms(std::mt19937_64& random);

}  // namespace kablate
