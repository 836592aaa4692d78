#pragma once

namespace kith {

// Tells glibc to keep freed memory: received frames come and go by the half megabyte, and from
// fresh pages each would cost a page fault per 4 kB. Call before the first allocation of note.
void keep_freed_memory();

// Gives it back to the system; after a job.
void give_back_memory();

}  // namespace kith
