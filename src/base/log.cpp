#include "base/log.h"

#include <memory>
#include <vector>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace kablate {
namespace {

spdlog::sink_ptr console_sink() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_pattern("kablate: %v");
  return sink;
}

std::shared_ptr<spdlog::logger>& logger() {
  static auto instance = std::make_shared<spdlog::logger>("kablate", console_sink());
  return instance;
}

}  // namespace

void log(LogLevel level, const std::string& message) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::info, spdlog::level::warn,
                                                   spdlog::level::err};
  logger()->log(kLevels[static_cast<int>(level)], message);
}

void open_log_file(const std::string& path, bool console) {
  if (const auto kind = other_than_file(path); !kind.empty())  // opening a pipe waits for its reader
    throw UserError(str("log file ", path, ": is ", kind, ", not a file; take it away"));
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    file->set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
    std::vector<spdlog::sink_ptr> sinks{file};
    if (console) sinks.push_back(console_sink());
    logger() = std::make_shared<spdlog::logger>("kablate", sinks.begin(), sinks.end());
    logger()->flush_on(spdlog::level::info);
  } catch (const spdlog::spdlog_ex& fault) {
    throw UserError(
        str("log file ", path, ": can't be written (", fault.what(), "); choose another --results folder"));
  }
}

}  // namespace kablate
