// What glibc takes from the environment alone: this sets GLIBC_TUNABLES and executes the program
// again, with the same process id. Call it first in main(). Does nothing when the variable is set
// already; if it cannot be done, the program is only slower.
#pragma once

namespace kith {

// Keeps freed memory, asks for huge pages, has one arena: received frames come and go by the
// megabyte, from fresh pages each would cost a page fault per 4 kB, and the kernel copies a fifth
// faster into large pages.
void tune_malloc_for_messages(char** argv);

// Asks for huge pages: ten thousand simulated nodes read each other's models from all over a
// gigabyte, a tenth faster so.
void tune_malloc_for_many_nodes(char** argv);

// Gives freed memory back to the system; after a job.
void give_back_memory();

}  // namespace kith
