#include "daemon/store/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "topology/error.h"

namespace kith {

namespace {

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& path) {
  throw OperatorError("cannot " + what + " " + path.string() + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

// The name of a file lives in its folder: without this a crash may forget the rename.
void flush_folder(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const Descriptor file(folder, O_RDONLY | O_DIRECTORY);
  if (file.number() >= 0) ::fsync(file.number());
}

}  // namespace

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void write_atomically(const std::filesystem::path& path,
                      std::span<const std::span<const std::byte>> parts) {
  std::filesystem::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (file.number() < 0) fail("write", path);
    bool good = true;
    for (const auto& part : parts) good = good && write_all(file.number(), part);
    if (!good || ::fsync(file.number()) != 0) {
      const int reason = errno;
      ::unlink(temporary.c_str());
      errno = reason;
      fail("write", path);
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    fail("write", path);
  }
  flush_folder(path);
}

void write_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> part = bytes_of(text);
  write_atomically(path, std::span(&part, 1));
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("read", path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) fail("read", path);
  return text;
}

}  // namespace kith
