// Files that are either whole or not there.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace kith {

std::span<const std::byte> bytes_of(std::string_view text);

// Writes the parts one after the other into a temporary file beside `path`, flushes it to the disk
// and renames it, so that a reader or a crash sees the old file or the new one. Throws
// OperatorError with the path and the system's reason.
void write_atomically(const std::filesystem::path& path,
                      std::span<const std::span<const std::byte>> parts);
void write_atomically(const std::filesystem::path& path, std::string_view text);

// Throws OperatorError.
std::string read_file(const std::filesystem::path& path);

}  // namespace kith
