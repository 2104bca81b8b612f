#include "base/hash.h"

#include <vector>

#include <openssl/evp.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace kablate {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1)
    throw WorkError("SHA-256: OpenSSL can't start a digest");
}

Sha256::~Sha256() = default;

void Sha256::add(const void* data, std::size_t size) { EVP_DigestUpdate(state_->context, data, size); }

Digest Sha256::so_far() const {
  Sha256 copy;
  if (EVP_MD_CTX_copy_ex(copy.state_->context, state_->context) != 1)
    throw WorkError("SHA-256: OpenSSL can't copy a digest");
  return copy.finish();
}

Digest Sha256::finish() {
  Digest digest;
  EVP_DigestFinal_ex(state_->context, digest.data(), nullptr);
  return digest;
}

Digest sha256(std::string_view data) {
  Sha256 hash;
  hash.add(data.data(), data.size());
  return hash.finish();
}

std::string hex(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const auto byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string file_sha256(const std::string& path, const std::function<void()>& between) {
  try {
    InputFile file(path);
    Sha256 hash;
    std::vector<char> buffer(file.piece(1 << 20));
    while (const auto size = file.read_some(buffer.data(), buffer.size())) {
      hash.add(buffer.data(), size);
      if (between) between();
    }
    return hex(hash.finish());
  } catch (const UserError& fault) {
    throw WorkError(fault.what());
  }
}

}  // namespace kablate
