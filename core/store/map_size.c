/* map_size.c - address space is 128 TiB, and a map cannot grow while values of the database are
 * held: so each is made as large as its file can become. */
#include "store/map_size.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define GIB (UINT64_C(1) << 30)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAP_SIZE_MAX (64 * GIB) /* shadow memory needs the room */
#define ADDRESS_SPACE (8192 * GIB)
#else
#define MAP_SIZE_MAX (1024 * GIB)
#define ADDRESS_SPACE (98304 * GIB)
#endif
#define MAP_SIZE_LEAST (16 * GIB)
#define MAP_SHARE 8 /* of what is left, a map takes one of so many parts */
#define PATH_SIZE 4096

static _Atomic uint64_t taken;

/* Bytes of the disk that the file is on; 0: unknown. */
static uint64_t disk_size(const char *path)
{
    struct statvfs disk;
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof folder) return 0;
    memcpy(folder, path, size);
    folder[size] = '\0';
    if (statvfs(slash == NULL ? "." : size == 0 ? "/" : folder, &disk) != 0) return 0;
    return (uint64_t)disk.f_blocks * disk.f_frsize;
}

static uint64_t power_of_two(uint64_t bytes)
{
    uint64_t size = GIB;
    while (size < bytes && size < (UINT64_C(1) << 62)) size *= 2;
    return size;
}

uint64_t lion_map_size_choose(const char *path)
{
    struct stat file;
    uint64_t is_there = stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
    uint64_t disk = disk_size(path), given = atomic_load(&taken);
    uint64_t wanted = disk == 0 ? MAP_SIZE_MAX : power_of_two(2 * disk);
    if (wanted < MAP_SIZE_LEAST) wanted = MAP_SIZE_LEAST;
    if (wanted > MAP_SIZE_MAX) wanted = MAP_SIZE_MAX;
    uint64_t share = given >= ADDRESS_SPACE ? 0 : (ADDRESS_SPACE - given) / MAP_SHARE;
    if (wanted > share) wanted = share / GIB * GIB;
    return wanted < power_of_two(2 * is_there) ? power_of_two(2 * is_there) : wanted;
}

void lion_map_size_take(uint64_t bytes)
{
    atomic_fetch_add(&taken, bytes);
}

void lion_map_size_give_back(uint64_t bytes)
{
    atomic_fetch_sub(&taken, bytes);
}
