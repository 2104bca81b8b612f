// The ways in which the program stops: a mistake that the user can mend, an interruption, a defect of its
// own.
#pragma once

#include <stdexcept>
#include <string>

#include "base/text.h"

namespace kablate {

// Exit codes of the program (docs/commands.md).
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,       // the work failed: a trial diverged or crashed, an arm was blocked, the disk filled
  kExitUserError = 2,    // the input is wrong: one message says what, the value seen and what is allowed
  kExitInterrupted = 3,  // stopped by a signal; the same command goes on from the last checkpoint
};

// Something that the user can mend. The message names the thing (symbol, or file and line), the value
// seen, what is allowed and what to do. Ends the program with kExitUserError.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The work could not be done for a reason that lies outside the input: a full disk, a broken file of our
// own. Ends the program with kExitFailed.
class WorkError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A signal asked the program to stop, and all that was done is on disk. Ends it with kExitInterrupted.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a function requires of its caller does not hold: a defect of the program, in every build.
class ContractError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Throws ContractError unless `condition` holds; what follows it are the values seen, as for str().
#define KABLATE_REQUIRE(condition, ...)                                                                 \
  do {                                                                                                  \
    if (!(condition)) [[unlikely]]                                                                      \
      throw ::kablate::ContractError(::kablate::str("a defect of this program: ", __func__,             \
                                                    " requires " #condition "; it got ", __VA_ARGS__)); \
  } while (false)

}  // namespace kablate
