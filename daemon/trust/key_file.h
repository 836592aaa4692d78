// A key pair on the disk, readable by its owner alone:
//
//   # Kith secret key. Whoever can read this file can speak as its owner.
//   public 3f0c...   64 hexadecimal digits
//   secret 9a81...
#pragma once

#include <string>

#include "daemon/trust/key.h"

namespace kith {

// Creates the file with mode 0600. Throws OperatorError, also where it exists: a key that is
// overwritten is lost to all who list it.
void write_key_file(const std::string& path, const KeyPair& keys);

// Throws OperatorError, also where others can read the file.
KeyPair read_key_file(const std::string& path);

}  // namespace kith
