#include "daemon/trust/key_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>
#include <string_view>

#include "topology/error.h"

namespace kith {

namespace {

constexpr std::string_view kHead =
    "# Kith secret key. Whoever can read this file can speak as its owner.\n";
constexpr std::string_view kPublic = "public ";
constexpr std::string_view kSecret = "secret ";
constexpr size_t kLongestFile = 4096;  // bytes
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

// What was in it is wiped with it.
struct FileText {
  char bytes[kLongestFile];
  size_t size = 0;

  FileText() = default;
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;
  ~FileText() { explicit_bzero(bytes, sizeof bytes); }
  std::string_view view() const { return {bytes, size}; }
  void append(std::string_view text) {
    text.copy(bytes + size, text.size());
    size += text.size();
  }
  void append_key(const uint8_t* key) {
    write_hex(key, bytes + size);
    size += 2 * kKeyBytes;
    append("\n");
  }
};

struct Descriptor {
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

void check_owner(const std::string& path, int fd) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    throw OperatorError("'" + path + "' is no file; --key takes what kith keygen has written.");
  }
  if ((facts.st_mode & kOthers) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", facts.st_mode & 07777);
    throw OperatorError("The secret key '" + path + "' is open to others (mode " + mode +
                        "): make it yours alone with chmod 600, and if others may have read it "
                        "make a new one.");
  }
  if (facts.st_uid != geteuid() && geteuid() != 0) {
    throw OperatorError("The secret key '" + path + "' belongs to another user.");
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0;
}

// The digits of the line that begins with `name`; empty where there is none.
std::string_view line_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(name)) return line.substr(name.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

}  // namespace

void write_key_file(const std::string& path, const KeyPair& keys) {
  const Descriptor file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.fd < 0 && errno == EEXIST) {
    throw OperatorError("'" + path + "' exists already, and a key is never overwritten: choose " +
                        "another name, or remove it.");
  }
  FileText text;
  text.append(kHead);
  text.append(kPublic);
  text.append_key(keys.open.bytes.data());
  text.append(kSecret);
  text.append_key(keys.secret.data());
  // The umask may have taken a bit that the owner needs.
  const bool written =
      file.fd >= 0 && fchmod(file.fd, S_IRUSR | S_IWUSR) == 0 && write_all(file.fd, text.view());
  if (written) return;
  const std::string why = strerror(errno);
  if (file.fd >= 0) unlink(path.c_str());
  throw OperatorError("The key file '" + path + "' cannot be written: " + why + ".");
}

KeyPair read_key_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) {
    throw OperatorError("The key file '" + path + "' cannot be read: " + strerror(errno) +
                        "; kith keygen FILE makes one.");
  }
  check_owner(path, file.fd);
  FileText text;
  ssize_t got = 0;
  while (text.size < kLongestFile &&
         (got = read(file.fd, text.bytes + text.size, kLongestFile - text.size)) > 0) {
    text.size += static_cast<size_t>(got);
  }
  KeyPair keys;
  if (got < 0 || !parse_hex(line_of(text.view(), kPublic), keys.open.bytes.data()) ||
      !parse_hex(line_of(text.view(), kSecret), keys.secret.data())) {
    throw OperatorError("'" + path + "' holds no key: kith keygen FILE makes one.");
  }
  return keys;
}

}  // namespace kith
