#include "record/done.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/checked_files.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

using Kind = FileFault::Kind;
using Files = std::map<std::string, std::string>;

constexpr std::string_view kHead = "# kablate trial ";  // a comment to `sha256sum -c`

std::vector<fs::path> files_of(const TrialFolder& folder) {
  return {folder.config(),    folder.defconfig(), folder.key(),     folder.environment(),
          folder.metrics(),   folder.log(),       folder.weights(), folder.weights_checksum(),
          folder.tokenizer(), folder.sample(),    folder.summary()};
}

std::string name_of(const fs::path& file) { return file.filename().string(); }

// What DONE must list.
const std::vector<std::string>& names_of_files() {
  static const auto names = [] {
    std::vector<std::string> result;
    for (const auto& file : files_of(TrialFolder(""))) result.push_back(name_of(file));
    return result;
  }();
  return names;
}

bool is_digest(std::string_view text) {
  return text.size() == kDigestDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string done_text(const Files& files) {
  std::string text = str(kHead, kRecordFormat, "\n");
  for (const auto& [name, sum] : files) text.append(sum).append("  ").append(name).append("\n");
  return text;
}

// The list, if `text` is one of this format, to the byte.
std::optional<Files> parse_done(const std::string& text) {
  Files files;
  for (const auto& line : split(text, '\n'))
    if (line.size() > kDigestDigits + 2 && is_digest(std::string_view(line).substr(0, kDigestDigits)))
      files[line.substr(kDigestDigits + 2)] = line.substr(0, kDigestDigits);
  for (const auto& name : names_of_files())
    if (!files.contains(name)) return {};
  return done_text(files) == text ? std::optional(std::move(files)) : std::nullopt;
}

FileFault damaged(const fs::path& file, const std::string& what) {
  return {Kind::kDamaged, str(file.string(), ": ", what)};
}

}  // namespace

std::optional<DoneList> DoneList::read(const TrialFolder& folder) {
  const auto path = folder.done();
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  const std::string text = read_text(path);
  if (auto files = parse_done(text)) return DoneList(path, std::move(*files));
  if (is_digest(trim(text))) throw older_format(path.string());
  std::string plain = text;
  std::erase(plain, '\r');
  if (plain != text && parse_done(plain)) throw damaged(path, damage_of(text, hex(sha256(plain))));
  if (text.starts_with(kHead))
    if (const auto format =
            parse_int(std::string_view(text).substr(kHead.size(), text.find('\n') - kHead.size()));
        format && *format > kRecordFormat)
      throw newer_format(path.string(), *format);
  throw damaged(path, "is damaged: it is no list of a trial's files with their SHA-256");
}

const std::string& DoneList::sha256_of(const fs::path& file) const {
  const auto found = files_.find(name_of(file));
  if (found == files_.end()) throw damaged(path_, "does not list " + name_of(file));
  return found->second;
}

void write_done(const TrialFolder& folder, const Files& known) {
  Files files;
  for (const auto& file : files_of(folder)) {
    const auto name = name_of(file);
    files[name] = known.contains(name) ? known.at(name) : file_sha256(file.string());
  }
  write_file(folder.done(), done_text(files));
}

std::string read_checked(const TrialFolder& folder, const fs::path& file) {
  return read_checked(DoneList::read(folder), file);
}

std::string read_checked(const std::optional<DoneList>& done, const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored))
    throw FileFault(Kind::kMissing,
                    str(file.string(), ": is missing", done ? ", although the trial is finished" : ""));
  std::string text = read_text(file);
  if (done)
    if (const auto damage = damage_of(text, done->sha256_of(file)); !damage.empty())
      throw damaged(file, damage);
  return text;
}

namespace {

void check_listed(const DoneList& done, const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored))
    throw FileFault(Kind::kMissing, str(file.string(), ": is missing, although the trial is finished"));
  if (remembered_sha256(file) == done.sha256_of(file)) return;
  throw damaged(file, damage_of(read_text(file), done.sha256_of(file)));
}

}  // namespace

void check_file(const TrialFolder& folder, const fs::path& file) {
  if (const auto done = DoneList::read(folder)) check_listed(*done, file);
}

std::vector<std::string> damaged_files(const TrialFolder& folder, bool again) {
  std::vector<std::string> found;
  if (again) forget_checked(folder.path());
  try {
    const auto done = DoneList::read(folder);
    if (!done) return {};
    const std::string prefix = (folder.path() / "").string();
    for (const auto& name : names_of_files()) {
      try {
        check_listed(*done, prefix + name);
      } catch (const FileFault& fault) {
        found.push_back(std::string(fault.what()).substr(prefix.size()));
      }
    }
  } catch (const UserError& fault) {
    found.push_back(fault.what());
  }
  return found;
}

}  // namespace kablate
