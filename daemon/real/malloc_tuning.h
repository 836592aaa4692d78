#pragma once

namespace kith {

// Makes glibc keep freed memory and ask for huge pages: received frames come and go by the
// megabyte, from fresh pages each would cost a page fault per 4 kB, and the kernel copies a fifth
// faster into large pages. glibc takes some of these settings from the environment alone, so that
// this sets GLIBC_TUNABLES and executes the program again, with the same process id. Call it first
// in main(). Does nothing when the variable is set already; if it cannot be done, the program is
// only slower.
void tune_malloc(char** argv);

// Gives freed memory back to the system; after a job.
void give_back_memory();

}  // namespace kith
