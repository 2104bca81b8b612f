// Plans written as text, for tests of how they are read.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "plan/plan_file.h"

namespace kablate::testing_support {

inline PlanFile parse(const std::string& text) { return parse_plan(text, "p.yaml"); }

// "SYMBOL=value" of each delta.
inline std::vector<std::string> assignments(const StepFile& step) {
  std::vector<std::string> result;
  for (const auto& delta : step.set) result.push_back(delta.symbol + "=" + delta.value);
  return result;
}

struct BadPlan {
  const char* text;
  std::vector<std::string> message;  // what it holds
};

inline void expect_refused(std::span<const BadPlan> plans) {
  for (const auto& bad : plans) {
    SCOPED_TRACE(bad.text);
    try {
      parse(bad.text);
      ADD_FAILURE() << "was accepted";
    } catch (const UserError& fault) {
      for (const auto& part : bad.message)
        EXPECT_NE(std::string(fault.what()).find(part), std::string::npos)
            << fault.what() << "\n  lacks: " << part;
    }
  }
}

}  // namespace kablate::testing_support
