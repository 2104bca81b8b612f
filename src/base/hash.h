// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace kablate {

using Digest = std::array<std::uint8_t, 32>;
inline constexpr std::size_t kDigestDigits = 64;  // of hex()

// Takes data piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(const void* data, std::size_t size);
  Digest so_far() const;  // of what was added up to now; more may follow
  Digest finish();        // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::string_view data);
std::string hex(const Digest& digest);

// The hex digest of a file's content. Throws WorkError if it can't be read. `between` is called after each
// piece of it; it may throw to give up.
std::string file_sha256(const std::string& path, const std::function<void()>& between = {});

}  // namespace kablate
