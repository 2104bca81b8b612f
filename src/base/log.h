// The program's log, behind strings: spdlog and its fmt stay out of every file that sees LibTorch, whose
// bundled fmt shadows the distribution's.
#pragma once

#include <string>

namespace kablate {

enum class LogLevel { kInfo, kWarning, kError };

// Writes a line to standard error and, where open_log_file was called, to that file.
void log(LogLevel level, const std::string& message);
inline void log_info(const std::string& message) { log(LogLevel::kInfo, message); }
inline void log_warning(const std::string& message) { log(LogLevel::kWarning, message); }
inline void log_error(const std::string& message) { log(LogLevel::kError, message); }

// From here on every line also goes to the end of `path`, with the date;
// `console` false keeps it from standard error (a trial under the runner,
// which shows progress itself). Throws UserError if `path` can't be written.
void open_log_file(const std::string& path, bool console);

}  // namespace kablate
