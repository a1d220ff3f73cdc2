/* What fs stands on, for tests on the host: heap, locks, poll words, an application's memory, and fake services mem and proc. */
#ifndef FS_TESTS_FAKE_H
#define FS_TESTS_FAKE_H

#include "../fs.h"
#include "fake_heap.h"
#include <fs_server.h>

#define USER_BASE 0x10000000ul       /* the application's memory: addresses below and above are bad */
#define USER_SIZE (1ul << 20)

extern u8 fake_user[USER_SIZE];      /* its content */
extern const struct rt_request fake_rq;
extern long fake_objects, fake_frames_used;   /* alive now: leaks show here */
void fake_start(void);
vaddr_t fake_memory_start(void);     /* frames of mem: where the window of frames lies */
void fake_thread_start(void);        /* a further thread, with an id of its own */

/* ---- TAP ---- */
void check_that(bool holds, const char *file, int line, const char *what);
void check_equal(long value, long expected, const char *file, int line, const char *what);
#define CHECK(condition) check_that(condition, __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(value, expected) check_equal((long)(value), (long)(expected), __FILE__, __LINE__, #value)
void test_run(const char *name, void (*test)(void));

/* ---- Short forms of fs's operations, with one client of root's ---- */
extern u64 client;
u64 file_open(const char *path, u32 flags, u32 mode);      /* the handle; fails the test */
long try_open(const char *path, u32 flags, u32 mode);      /* 0 (and closed again) or the error */
void file_close(u64 file);
long make_directory(const char *path);
long make_link(const char *target, const char *path);
long hard_link(const char *from, const char *to);
long remove_name(const char *path);
long remove_directory(const char *path);
long rename_name(const char *from, const char *to, u32 flags);
long status_get(const char *path, struct fs_stat *status);
bool exists(const char *path);
long file_write(u64 file, const void *data, size_t size, u64 offset);
long file_read(u64 file, void *data, size_t size, u64 offset);
void text_put(const char *path, const char *text);
bool text_is(const char *path, const char *text);
void become(u32 uid, u32 gid, u64 capabilities);

void test_names(void);
void test_renaming(void);
void test_content(void);
void test_pipes(void);
void test_locks(void);
void test_archives(void);
void test_mounts(void);
void test_proc(void);
void test_memory(void);
void test_threads(void);
void test_directories(void);
void test_recovery(void);

/* One lock request; *found: what is in the way, for TEST. */
long file_lock(u64 file, const struct fs_lock *request, struct fs_lock *found);
long file_lock_cancel(u64 file, const struct fs_lock *request);

#endif
