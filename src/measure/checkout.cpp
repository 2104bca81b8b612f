#include "measure/checkout.h"

#include <functional>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/spawn.h"
#include "base/text.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

using Output = std::function<void(std::string_view)>;

// Runs `git -C folder arguments`, without a shell; what it writes goes to `output`. Its exit code, or -1.
int git(const fs::path& folder, const std::vector<std::string>& arguments, const Output& output) {
  std::vector<std::string> line = {"git", "-C", folder.string(), "-c", "core.fsmonitor=false"};
  line.insert(line.end(), arguments.begin(), arguments.end());
  // git's own variables would send it to another repository; reading must not write an index that another
  // trial reads.
  const auto variables = environment_without({"GIT_"}, {"GIT_OPTIONAL_LOCKS=0"});
  return run_program(line, variables, output).value_or(-1);
}

struct Said {
  int code = -1;
  std::string text;
};
Said git(const fs::path& folder, const std::vector<std::string>& arguments) {
  constexpr std::size_t kMost = 1 << 16;
  Said said;
  said.code = git(folder, arguments, [&](std::string_view piece) {
    if (said.text.size() < kMost) said.text += piece;
  });
  return said;
}

// Why git's word on `folder` is not about our sources; "" if it is.
std::string why_unknown(const fs::path& folder) {
  const Said top = git(folder, {"rev-parse", "--show-toplevel"});
  if (top.code < 0) return "git can't be run";
  if (top.code != 0) return std::string(trim(top.text.substr(0, 300)));
  std::error_code fault;
  if (fs::equivalent(std::string(trim(top.text)), folder, fault)) return "";
  return str("the sources lie inside another project's checkout, ", trim(top.text));
}

}  // namespace

Json describe_checkout(const fs::path& folder) {
  if (const auto reason = why_unknown(folder); !reason.empty())
    return {{"commit", "unknown"}, {"reason", reason}};
  const Said head = git(folder, {"rev-parse", "HEAD"});
  if (head.code != 0) return {{"commit", "unknown"}, {"reason", std::string(trim(head.text.substr(0, 300)))}};
  const Said status = git(folder, {"status", "--porcelain"});
  return {{"commit", std::string(trim(head.text))},
          {"dirty", status.code == 0 ? Json(!trim(status.text).empty()) : Json("unknown")}};
}

SourceChanges source_changes(const fs::path& folder) {
  SourceChanges changes;
  if (!why_unknown(folder).empty()) return changes;
  Sha256 hash;
  const auto take = [&](std::string_view piece) {
    hash.add(piece.data(), piece.size());
    changes.bytes += std::ssize(piece);
    const auto room = static_cast<std::size_t>(kMostPatchBytes) - changes.patch.size();
    changes.patch += piece.substr(0, room);
  };
  const int code = git(folder, {"diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"}, take);
  if (code != 0) return {};
  if (changes.bytes > 0) changes.sha256 = hex(hash.finish());
  return changes;
}

}  // namespace kablate
