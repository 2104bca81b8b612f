// Checks that something is refused with a message that says what a user needs.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "base/error.h"

namespace kablate::testing_support {

// `run` must throw `Error`; every one of `parts` must stand in its message.
template <typename Error = UserError, typename Run>
void expect_error(Run&& run, std::initializer_list<std::string> parts) {
  try {
    run();
    ADD_FAILURE() << "was accepted; expected an error with \"" << *parts.begin() << "\"";
  } catch (const Error& fault) {
    const std::string message = fault.what();
    for (const auto& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\n  lacks: " << part;
  }
}

}  // namespace kablate::testing_support
