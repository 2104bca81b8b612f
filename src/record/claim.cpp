#include "record/claim.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <random>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::string_view kClaim = "claim.", kNewClaim = "claim-new.";
constexpr int kAttempts = 10;

// A small file's content; "" if it is gone, also where a process ends while its /proc file is read. A pipe
// is not waited for.
std::string slurp(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return "";
  char buffer[4096];
  const auto size = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : "";
}

// When the process started, in ticks since boot; 0 if there is none or it is a zombie.
std::int64_t process_start(std::int64_t pid) {
  const std::string text = slurp(str("/proc/", pid, "/stat"));
  const auto name_end = text.rfind(')');  // the second field, a name that may hold anything
  if (name_end == std::string::npos) return 0;
  const auto fields = split(trim(std::string_view(text).substr(name_end + 1)), ' ');
  constexpr std::size_t kState = 0, kStart = 19;  // fields 3 and 22 of proc(5)
  if (fields.size() <= kStart || fields[kState] == "Z" || fields[kState] == "X") return 0;
  return parse_int(fields[kStart]).value_or(0);
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// This process, as it stands in a claim of its own.
ClaimOwner self() {
  std::error_code ignored;
  std::random_device random;
  ClaimOwner owner;
  owner.host = host_name();
  owner.boot_id = trim(slurp("/proc/sys/kernel/random/boot_id"));
  owner.pid_namespace = fs::read_symlink("/proc/self/ns/pid", ignored).string();
  owner.pid = ::getpid();
  owner.start_time = process_start(owner.pid);
  owner.token = str(owner.host, "-", owner.pid, "-", random(), random());
  return owner;
}

std::string to_text(const ClaimOwner& owner) {
  return Json{{"host", owner.host}, {"boot_id", owner.boot_id},       {"pid_namespace", owner.pid_namespace},
              {"pid", owner.pid},   {"start_time", owner.start_time}, {"token", owner.token}}
             .dump() +
         "\n";
}

std::optional<ClaimOwner> parse_owner(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    return ClaimOwner{json.at("host"), json.at("boot_id"),    json.at("pid_namespace"),
                      json.at("pid"),  json.at("start_time"), json.at("token")};
  } catch (const Json::exception&) {
    return {};
  }
}

// Seconds of the file system's clock; empty if the file is gone.
std::optional<double> time_stamp(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return static_cast<double>(info.st_mtim.tv_sec) + 1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

struct Found {
  std::int64_t number;
  fs::path path;
  std::optional<ClaimOwner> owner;  // empty where a crash of the machine left a damaged file
  double stamp;
  std::string token() const { return owner ? owner->token : str("damaged-", number); }
};

std::vector<Found> scan(const fs::path& folder) {
  std::vector<Found> found;
  std::error_code fault;
  for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end; entry.increment(fault)) {
    const auto name = entry->path().filename().string();
    if (!name.starts_with(kClaim)) continue;
    const auto number = parse_int(name.substr(kClaim.size()));
    const auto stamp = time_stamp(entry->path());
    if (number && stamp) found.push_back({*number, entry->path(), parse_owner(slurp(entry->path())), *stamp});
  }
  return found;
}

// Whether the claim's process can be looked up in this machine's /proc; a container has one of its own.
bool visible(const Found& claim, const ClaimOwner& me) {
  const auto& owner = claim.owner;
  return owner && owner->host == me.host && owner->boot_id == me.boot_id &&
         owner->pid_namespace == me.pid_namespace;
}

bool alive(const Found& claim, const ClaimOwner& me, double now) {
  if (!visible(claim, me)) return now - claim.stamp <= Claim::kStaleSeconds;
  return claim.owner->start_time != 0 && process_start(claim.owner->pid) == claim.owner->start_time;
}

// A file under a name of its own, which link(2) then gives the claim's name, whole and to one process only.
class NewClaim {
 public:
  NewClaim(const fs::path& folder, const ClaimOwner& me) : folder_(folder), text_(to_text(me)) {
    path_ = folder / (std::string(kNewClaim) + me.token);
    if (!write_exclusively(path_)) throw failed();
    stamp_ = time_stamp(path_).value_or(0);
  }
  ~NewClaim() { ::unlink(path_.c_str()); }
  double stamp() const { return stamp_; }

  // False if another process has that number.
  bool take(const fs::path& target) const {
    if (::link(path_.c_str(), target.c_str()) == 0) return true;
    const int reason = errno;
    struct stat info {};  // a network file system may do the work and lose the answer
    if (::stat(path_.c_str(), &info) == 0 && info.st_nlink == 2) return true;
    if (reason == EEXIST) return false;
    if (reason == EPERM || reason == EOPNOTSUPP || reason == ENOSYS) return write_exclusively(target);
    errno = reason;
    throw failed();
  }

 private:
  WorkError failed() const {
    return WorkError(str(folder_.string(), ": can't be claimed (", std::strerror(errno), ")"));
  }
  bool write_exclusively(const fs::path& path) const {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) return false;
    if (fd < 0) throw failed();
    const auto written = ::write(fd, text_.data(), text_.size());
    const int reason = errno;
    ::close(fd);
    if (written == static_cast<ssize_t>(text_.size())) return true;
    ::unlink(path.c_str());
    errno = written < 0 ? reason : ENOSPC;
    throw failed();
  }

  fs::path folder_, path_;
  std::string text_;
  double stamp_ = 0;
};

// What a process that was killed while claiming left behind.
void remove_leftovers(const fs::path& folder, double now) {
  std::error_code fault, ignored;
  for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end; entry.increment(fault)) {
    if (!entry->path().filename().string().starts_with(kNewClaim)) continue;
    if (now - time_stamp(entry->path()).value_or(now) > Claim::kStaleSeconds)
      fs::remove(entry->path(), ignored);
  }
}

const Found* find_live(const std::vector<Found>& claims, const ClaimOwner& me, double now) {
  for (const auto& claim : claims)
    if (claim.token() != me.token && alive(claim, me, now)) return &claim;
  return nullptr;
}

}  // namespace

std::string describe(const ClaimOwner& owner) {
  if (owner.token.empty())
    return str("a process whose claim can't be read, which counts for ", Claim::kStaleSeconds, " s,");
  return str("process ", owner.pid, " on ", owner.host);
}

std::unique_ptr<Claim> Claim::acquire(const TrialFolder& folder, std::string* holder) {
  std::error_code fault;
  fs::create_directories(folder.path(), fault);
  if (fault) throw WorkError(str(folder.path().string(), ": can't be made (", fault.message(), ")"));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const ClaimOwner me = self();
    const NewClaim mine(folder.path(), me);
    const auto before = scan(folder.path());
    if (const auto* live = find_live(before, me, mine.stamp()); live != nullptr) {
      if (holder != nullptr) *holder = describe(live->owner.value_or(ClaimOwner{}));
      return nullptr;
    }
    std::int64_t number = 1;
    std::set<std::string> stale;
    for (const auto& claim : before) number = std::max(number, claim.number + 1), stale.insert(claim.token());
    const auto path = folder.path() / (std::string(kClaim) + std::to_string(number));
    if (!mine.take(path)) continue;
    // What was judged before is settled; anything else that is there by now came between.
    auto others = scan(folder.path());
    std::erase_if(others, [&](const Found& claim) { return claim.token() == me.token; });
    auto fresh = others;
    std::erase_if(fresh, [&](const Found& claim) { return stale.contains(claim.token()); });
    if (find_live(fresh, me, mine.stamp()) == nullptr) {
      for (const auto& claim : others) fs::remove(claim.path, fault);
      remove_leftovers(folder.path(), mine.stamp());
      return std::unique_ptr<Claim>(new Claim(path, me.token));
    }
    fs::remove(path, fault);
    std::random_device random;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 + random() % 20));
  }
  if (holder != nullptr) *holder = "another process";
  return nullptr;
}

Claim::Claim(fs::path path, std::string token) : path_(std::move(path)), token_(std::move(token)) {
  renewal_ = std::thread([this] { renew_until_released(); });
}

Claim::~Claim() {
  {
    const std::lock_guard lock(mutex_);
    release_ = true;
  }
  released_.notify_all();
  renewal_.join();
  if (held()) ::unlink(path_.c_str());
}

bool Claim::held() const {
  const auto owner = parse_owner(slurp(path_));
  return owner && owner->token == token_;
}

void Claim::renew_until_released() {
  std::unique_lock lock(mutex_);
  const auto pause = std::chrono::duration<double>(kRenewSeconds);
  while (!released_.wait_for(lock, pause, [this] { return release_; }))
    if (held()) ::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
}

bool abandoned(const TrialFolder& folder) { return !scan(folder.path()).empty() && !claim_owner(folder); }

std::optional<ClaimOwner> claim_owner(const TrialFolder& folder) {
  const auto claims = scan(folder.path());
  if (claims.empty()) return {};
  const ClaimOwner me = self();
  double now = static_cast<double>(std::time(nullptr));
  if (!std::all_of(claims.begin(), claims.end(), [&](const Found& claim) { return visible(claim, me); })) {
    try {
      now = NewClaim(folder.path(), me).stamp();
    } catch (const WorkError&) {  // a folder that can only be read: this machine's clock has to do
    }
  }
  const auto* live = find_live(claims, me, now);
  return live == nullptr ? std::nullopt : live->owner ? live->owner : std::optional(ClaimOwner{});
}

}  // namespace kablate
