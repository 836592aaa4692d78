#include "daemon/trust/key.h"

#include <cstring>

namespace kith {

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool parse_hex(std::string_view text, uint8_t* out) {
  if (text.size() != 2 * kKeyBytes) return false;
  for (size_t i = 0; i < kKeyBytes; ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

void write_hex(const uint8_t* bytes, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < kKeyBytes; ++i) {
    *out++ = kDigits[bytes[i] >> 4];
    *out++ = kDigits[bytes[i] & 15];
  }
}

std::string PublicKey::text() const {
  std::string text(2 * kKeyBytes, '0');
  write_hex(bytes.data(), text.data());
  return text;
}

std::optional<PublicKey> parse_public_key(std::string_view text) {
  PublicKey key;
  if (!parse_hex(text, key.bytes.data())) return std::nullopt;
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  other.wipe();
  return *this;
}

// A plain memset of what dies is dropped by the optimiser.
void SecretKey::wipe() { explicit_bzero(bytes_.data(), bytes_.size()); }

}  // namespace kith
