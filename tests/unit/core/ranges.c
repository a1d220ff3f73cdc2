/*
 * What core/copy.c takes for a unit's own memory, and what it copies for a client: against sums that can't wrap, in every class, at all edges.
 * The copies of the core are stand-ins that look at each byte's place.
 */
#include <string.h>
#include <arch/page.h>
#include <tessera/arch.h>
#include "copy.h"
#include "cpu.h"
#include "domain.h"
#include "thread.h"
#include "vspace.h"
#include "../harness.h"

typedef unsigned __int128 wide;

#define PRIVATE ARCH_KERNEL_UNIT_PRIVATE(3)
#define PRIVATE_SIZE 0x10000000000ull
#define DECLARED 0x400ff0ull
#define DECLARED_SIZE 0x30ull

static struct domain domain;
static struct thread thread;
static struct vspace vspace;
static struct activation activations[2];
static char page[PAGE_SIZE];
static vaddr_t pinned;
static u64 copied, strays;

static bool within(u64 start, u64 size, wide from, wide to) { return start >= from && (wide)start + size <= to; }

/* The unit's own memory, by the definition of its class. */
static bool own(u64 address, u64 size)
{
	if (domain.class == 0)
		return within(address, size, ARCH_KERNEL_HALF, ((wide)1 << 64) - 1);
	return domain.class == 1 ? within(address, size, PRIVATE, (wide)PRIVATE + PRIVATE_SIZE) : within(address, size, 0, ARCH_USER_LIMIT);
}

static bool may_name_clients(void) { return domain.class == 0 || domain.rights & TK_RIGHT_CLIENTS; }

static bool clients(u64 address, u64 size)
{
	return may_name_clients() ? within(address, size, 0, ARCH_USER_LIMIT) : within(address, size, DECLARED, DECLARED + DECLARED_SIZE);
}

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------ */

static bool writes; /* the client's memory is written */

size_t arch_copy(vaddr_t to, vaddr_t from, size_t size)
{
	u64 client = writes ? to : from, mine = writes ? from : to;

	if (domain.class == 2) {
		bool good = client >= (u64)page && within(client, size, (u64)page, (wide)(u64)page + PAGE_SIZE);
		client = client - (u64)page + pinned;
		strays += !good;
	}
	strays += !clients(client, size) || !own(mine, size);
	copied += size;
	return 0;
}

void *vspace_pin(struct vspace *space, vaddr_t address, u32 access, frame_t *frame)
{
	(void)space, (void)access;
	*frame = 1;
	pinned = address;
	return page;
}
void frame_unpin(frame_t frame) { (void)frame; }
enum fault_outcome vspace_fault(struct vspace *space, vaddr_t address, u32 access)
{
	(void)space, (void)address, (void)access;
	return FAULT_CALL_MEM;
}
arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large)
{
	(void)root, (void)address, (void)create, (void)large;
	return NULL;
}

/* ---- Edges ------------------------------------------------------------------------------------------------------------------------ */

static u64 edge(void)
{
	static const u64 edges[] = { 0, PAGE_SIZE, DECLARED, DECLARED + DECLARED_SIZE, ARCH_USER_LIMIT, 1ull << 47, ARCH_KERNEL_HALF, PRIVATE,
		PRIVATE + PRIVATE_SIZE, ARCH_IMAGE, 1ull << 63, 0 };
	u64 base = edges[unit_random() % (sizeof(edges) / sizeof(edges[0]))];

	return base + (u64)(long)(unit_random() % 129) - 64;
}

static u64 size_any(void)
{
	switch (unit_random() % 4) {
	case 0:
		return unit_random() % 80;
	case 1:
		return edge() - edge();
	case 2:
		return unit_random() >> unit_random() % 64;
	default:
		return -(unit_random() % 200);
	}
}

static void unit_set(u32 class, u32 rights)
{
	domain = (struct domain){ .class = class, .rights = rights, .private = PRIVATE, .private_size = PRIVATE_SIZE };
	activations[1] = (struct activation){ .domain = &domain, .range_count = 1,
		.ranges = { { DECLARED, DECLARED_SIZE, TK_ACCESS_READ | TK_ACCESS_WRITE, 0 } } };
	memset(&thread, 0, sizeof(thread));
	thread.domain = &domain;
	thread.vspace = &vspace;
	thread.top = &activations[1];
}

static void own_ranges(void)
{
	for (u32 i = 0; i < 300000; i++) {
		u64 address = edge(), size = size_any();

		unit_set(i % 3, 0);
		CHECK(domain_owns_range(&domain, address, size) == own(address, size));
		if (unit_failures)
			return;
	}
}

static void copies_of_clients(void)
{
	u64 good[3] = { 0 };

	for (u32 i = 0; i < 300000; i++) {
		u64 client = edge(), mine = edge(), size = unit_random() % 80;

		if (unit_random() % 8 == 0)
			size = size_any();
		unit_set(i % 3, unit_random() & 1 ? TK_RIGHT_CLIENTS : 0);
		writes = unit_random() & 1;
		copied = strays = 0;
		long result = writes ? copy_client_out(&thread, client, mine, size) : copy_client_in(&thread, mine, client, size);
		u64 wanted = size < COPY_CLIENT_MAX ? size : COPY_CLIENT_MAX;

		CHECK(strays == 0 && (result < 0 ? copied == 0 : copied == (u64)result));
		CHECK(wanted == 0 ? result <= 0 : (result == (long)wanted) == (clients(client, wanted) && own(mine, wanted)));
		good[domain.class] += result > 0;
		if (unit_failures)
			return;
	}
	CHECK(good[0] > 100 && good[1] > 100 && good[2] > 100);
}

/* A range that may only be read is not written, nor the other way round. */
static void directions(void)
{
	for (u32 class = 1; class < 3; class++) {
		u64 mine = class == 1 ? PRIVATE : PAGE_SIZE;

		for (u32 access = TK_ACCESS_READ; access <= (TK_ACCESS_READ | TK_ACCESS_WRITE); access++) {
			unit_set(class, 0);
			activations[1].ranges[0].access = access;
			writes = false;
			CHECK((copy_client_in(&thread, mine, DECLARED, 8) == 8) == ((access & TK_ACCESS_READ) != 0));
			writes = true;
			CHECK((copy_client_out(&thread, DECLARED, mine, 8) == 8) == ((access & TK_ACCESS_WRITE) != 0));
		}
		thread.vspace = NULL;
		CHECK(copy_client_in(&thread, mine, DECLARED, 8) <= 0);
	}
}

TEST_MAIN(TEST(own_ranges), TEST(copies_of_clients), TEST(directions))
