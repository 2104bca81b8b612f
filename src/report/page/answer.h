// The answer in words: of each arm its verdict, its effect and its cost, and what would settle what is open.
#pragma once

#include <string>

#include "report/report.h"

namespace kablate::page {

std::string answer_markup(const Report& report);

}  // namespace kablate::page
