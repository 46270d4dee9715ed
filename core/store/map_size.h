/* map_size.h - how much address space an LMDB file gets. */
#ifndef LION_STORE_MAP_SIZE_H
#define LION_STORE_MAP_SIZE_H

#include <stdint.h>

/* Bytes for the map of the file at a path (or to be made there): twice its disk, which it cannot outgrow, from 16 GiB to
 * 1 TiB, but no more than an eighth of the address space that this process has not given away yet. So a process can have
 * thousands of files open, and is never left without addresses for everything else. */
uint64_t lion_map_size_choose(const char *path);

/* Note that a map was made, or is gone. */
void lion_map_size_take(uint64_t bytes);
void lion_map_size_give_back(uint64_t bytes);

#endif
