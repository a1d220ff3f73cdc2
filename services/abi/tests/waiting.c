/* Watches, poll, select and epoll over eventfds. */
#include <string.h>
#include "fake.h"
#include "tests.h"
#include "../epoll.h"
#include "../include/abi_fcntl.h"

#define WORDS 3000u

static long call(long (*handler)(struct shim_thread *, const u64 *), u64 a, u64 b, u64 c, u64 d)
{
	return handler(fake_thread, (u64[6]){ a, b, c, d });
}

static long event_make(void)
{
	return call(sys_eventfd2, 0, EFD_NONBLOCK, 0, 0);
}

static long event_move(i32 fd, u64 *value, bool write)
{
	struct shim_file *file = file_get(fake_thread, fd);
	long result = write ? file->ops->write(fake_thread, file, (vaddr_t)value, 8, -1) : file->ops->read(fake_thread, file, (vaddr_t)value, 8, -1);

	file_put(file);
	return result;
}

static void event_add(i32 fd)
{
	u64 one = 1;

	CHECK(event_move(fd, &one, true) == 8);
}

static void event_clear(i32 fd)
{
	u64 value;

	(void)event_move(fd, &value, false);
}

/* ---- Watch sets ---- */
static u32 noticed[WORDS];

static void notice_count(void *cookie, void *context)
{
	(void)context;
	noticed[(u64)cookie - 1]++;
}

void watches_tell_what_changed(void)
{
	static struct tk_pollword words[WORDS];
	static struct watch_place places[WORDS];
	struct watch_set *set;
	bool there[WORDS] = { false };

	fake_start();
	set = watch_set_create();
	for (u32 step = 0; step < 60000; step++) {
		u32 i = (u32)(unit_random() % WORDS), seen = *watch_set_word(set);

		if (unit_random() % 3 == 0) {
			pollword_event(&words[i], 0);
			CHECK((*watch_set_word(set) != seen) == there[i]);
			memset(noticed, 0, sizeof(noticed));
			watch_set_take(set, notice_count, NULL);
			for (u32 j = 0; j < WORDS && step % 50 == 0; j++)
				CHECK(noticed[j] == (j == i && there[i]));
			CHECK(noticed[i] == there[i]);
		} else if (there[i]) {
			watch_set_remove(set, &places[i]);
			there[i] = false;
		} else {
			there[i] = watch_set_add(set, &words[i].sequence, (void *)(u64)(i + 1), &places[i]) == 0;
			CHECK(there[i]);
		}
	}
	watch_set_destroy(set);
	fake_end();
}

/* ---- poll and select ---- */
static void event_later(void *context)
{
	event_add(*(i32 *)context);
}

static void nothing_later(void *context)
{
	(void)context;
}

void poll_looks_and_waits(void)
{
	struct linux_pollfd p = { .events = POLLIN };
	i32 fd;

	fake_start();
	fd = p.fd = (i32)event_make();
	CHECK(call(sys_poll, (u64)&p, 1, 0, 0) == 0);
	p.events = POLLIN | POLLOUT;
	CHECK(call(sys_poll, (u64)&p, 1, 0, 0) == 1 && p.revents == POLLOUT);
	p.events = POLLIN;
	fake_schedule(5 * NANOS_IN_MILLI, event_later, &fd);
	CHECK(call(sys_poll, (u64)&p, 1, (u64)-1, 0) == 1 && p.revents == POLLIN && fake_now == 5 * NANOS_IN_MILLI);
	event_clear(fd);
	CHECK(call(sys_poll, (u64)&p, 1, 20, 0) == 0 && p.revents == 0);
	CHECK(fake_now == 25 * NANOS_IN_MILLI);
	fake_schedule(30 * NANOS_IN_MILLI, nothing_later, NULL);
	CHECK(call(sys_poll, (u64)&p, 1, 20, 0) == -ERESTART_RESTARTBLOCK);
	CHECK(fake_thread->restart.call(fake_thread, fake_thread->restart.args) == 0 && fake_now == 45 * NANOS_IN_MILLI);
	p.fd = 77;
	CHECK(call(sys_poll, (u64)&p, 1, (u64)-1, 0) == 1 && p.revents == POLLNVAL);
	p.fd = -1;
	CHECK(call(sys_poll, (u64)&p, 1, 1, 0) == 0 && p.revents == 0);
	CHECK(call(sys_poll, 0, 1, 0, 0) == -EFAULT);
	CHECK(call(sys_poll, (u64)&p, 5000, 0, 0) == -EINVAL);
	fake_end();
}

void poll_of_many(void)
{
	static struct linux_pollfd p[900];
	fake_start();
	for (u32 i = 0; i < countof(p); i++)
		p[i] = (struct linux_pollfd){ .fd = (i32)event_make(), .events = POLLIN };
	for (u32 i = 0; i < countof(p); i += 37) {
		fake_schedule(fake_now + 1000, event_later, &p[i].fd);
		CHECK(call(sys_poll, (u64)p, countof(p), 1000, 0) == 1 && p[i].revents == POLLIN);
		event_clear(p[i].fd);
	}
	CHECK(call(sys_poll, (u64)p, countof(p), 1, 0) == 0);
	fake_end();
}

void select_sets(void)
{
	u64 in[16], out[16];
	i32 first, last;

	fake_start();
	for (first = (i32)event_make(); (last = (i32)event_make()) < 900;)
		;
	memset(in, 0, sizeof(in));
	memset(out, 0, sizeof(out));
	in[0] |= 1ull << first;
	in[last / 64] |= 1ull << last % 64;
	fake_schedule(fake_now + 5, event_later, &last);
	CHECK(call(sys_select, 1000, (u64)in, 0, 0) == 1);
	CHECK(in[0] == 0 && in[last / 64] == 1ull << last % 64);
	out[0] = 1ull << first;
	CHECK(call(sys_select, 1000, (u64)in, (u64)out, 0) == 2);
	in[15] |= 1ull << 60;
	CHECK(call(sys_select, 1024, (u64)in, 0, 0) == -EBADF);
	CHECK(call(sys_select, (u64)-1, 0, 0, 0) == -EINVAL);
	fake_end();
}

/* ---- epoll ---- */
struct model_item { bool there, ready, noticed, disabled; u32 events; i32 fd; };

static bool item_reports(const struct model_item *m)
{
	return m->there && m->ready && !m->disabled && (!(m->events & EPOLLET) || m->noticed);
}

static void epoll_wait_check(i32 epoll, struct model_item *items, u32 count)
{
	static struct linux_epoll_event events[64];
	u32 limit = 1 + (u32)(unit_random() % countof(events)), expected = 0;
	long got = call(sys_epoll_wait, (u64)epoll, (u64)events, limit, 0);

	for (u32 i = 0; i < count; i++)
		expected += item_reports(&items[i]);
	CHECK(got == (expected < limit ? expected : limit));
	for (long i = 0; i < got; i++) {
		struct model_item *m = &items[events[i].data];

		CHECK(events[i].events == POLLIN && item_reports(m));
		m->noticed = false;
		m->disabled = m->events & EPOLLONESHOT;
		for (long j = 0; j < i; j++)
			CHECK(events[j].data != events[i].data);
	}
}

static void epoll_step(i32 epoll, struct model_item *m, u64 index)
{
	static const u32 kinds[] = { POLLIN, POLLIN, POLLIN | EPOLLET, POLLIN | EPOLLONESHOT };
	struct linux_epoll_event event = { kinds[unit_random() % countof(kinds)], index };
	u32 operation = 1 + (u32)(unit_random() % 3);

	switch (unit_random() % 4) {
	case 0:
		event_add(m->fd);
		m->ready = m->noticed = true;
		break;
	case 1:
		event_clear(m->fd);
		m->ready = false;
		break;
	default:
		CHECK(call(sys_epoll_ctl, (u64)epoll, operation, (u64)m->fd, (u64)&event) ==
		      (operation == EPOLL_CTL_ADD ? m->there ? -EEXIST : 0 : m->there ? 0 : -ENOENT));
		if (operation == EPOLL_CTL_DEL) {
			m->there = false;
		} else if ((operation == EPOLL_CTL_ADD) != m->there) {
			m->there = m->noticed = true;
			m->disabled = false;
			m->events = event.events;
		}
		break;
	}
}

void epoll_random_against_a_model(void)
{
	static struct model_item items[200];
	i32 epoll;

	fake_start();
	epoll = (i32)call(sys_epoll_create1, 0, 0, 0, 0);
	for (u32 i = 0; i < countof(items); i++)
		items[i] = (struct model_item){ .fd = (i32)event_make() };
	for (u32 step = 0; step < 30000; step++) {
		u32 i = (u32)(unit_random() % countof(items));

		if (unit_random() % 8 == 0)
			epoll_wait_check(epoll, items, countof(items));
		else if (unit_random() % 100 == 0) { /* closed, it leaves the set; another takes its place */
			CHECK(fd_close(fake_thread, items[i].fd) == 0);
			items[i] = (struct model_item){ .fd = (i32)event_make() };
		} else
			epoll_step(epoll, &items[i], i);
	}
	fake_end();
}

void epoll_sets_in_sets(void)
{
	struct linux_epoll_event event = { POLLIN, 5 };
	i32 sets[7], fd;

	fake_start();
	fd = (i32)event_make();
	for (u32 i = 0; i < countof(sets); i++)
		sets[i] = (i32)call(sys_epoll_create1, 0, 0, 0, 0);
	CHECK(call(sys_epoll_ctl, (u64)sets[0], EPOLL_CTL_ADD, (u64)fd, (u64)&event) == 0);
	for (u32 i = 1; i < 5; i++)
		CHECK(call(sys_epoll_ctl, (u64)sets[i], EPOLL_CTL_ADD, (u64)sets[i - 1], (u64)&event) == 0);
	CHECK(call(sys_epoll_ctl, (u64)sets[5], EPOLL_CTL_ADD, (u64)sets[4], (u64)&event) == -ELOOP);
	CHECK(call(sys_epoll_ctl, (u64)sets[0], EPOLL_CTL_ADD, (u64)sets[4], (u64)&event) == -ELOOP);
	CHECK(call(sys_epoll_ctl, (u64)sets[0], EPOLL_CTL_ADD, (u64)sets[0], (u64)&event) == -EINVAL);
	CHECK(call(sys_epoll_wait, (u64)sets[4], (u64)&event, 1, 0) == 0);
	fake_schedule(fake_now + 10, event_later, &fd);
	CHECK(call(sys_epoll_wait, (u64)sets[4], (u64)&event, 1, (u64)-1) == 1 && event.data == 5);
	event_clear(fd);
	CHECK(call(sys_epoll_wait, (u64)sets[4], (u64)&event, 1, 0) == 0);
	fake_end();
}
