// CURVE keys (Curve25519) as Kith reads, writes and compares them: 64 hexadecimal digits, which a
// shell, a log line and a double click take as one word.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kith {

inline constexpr size_t kKeyBytes = 32;

// Says who somebody is. No secret.
struct PublicKey {
  std::array<uint8_t, kKeyBytes> bytes{};

  auto operator<=>(const PublicKey&) const = default;
  std::string text() const;
};

std::optional<PublicKey> parse_public_key(std::string_view text);

// Proves it. Never copied, printed or logged: only a key file takes its text. Its bytes are wiped
// when it dies.
class SecretKey {
 public:
  SecretKey() = default;
  ~SecretKey() { wipe(); }
  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }

 private:
  void wipe();

  std::array<uint8_t, kKeyBytes> bytes_{};
};

struct KeyPair {
  PublicKey open;
  SecretKey secret;
};

// 64 digits to `out`, of kKeyBytes bytes; false where they are none.
bool parse_hex(std::string_view text, uint8_t* out);
// 64 digits to `out`, without a zero behind them.
void write_hex(const uint8_t* bytes, char* out);

}  // namespace kith
