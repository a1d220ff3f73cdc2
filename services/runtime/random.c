/* Random bytes: ChaCha20 with fast key erasure (Bernstein, 2017), keyed by the boot page's seed, which differs for each unit. */
#include <runtime_unit.h>
#include <arch_counter.h>
#include <chacha20.h>

static struct rt_lock lock = RT_LOCK_INIT; /* guards key and nonce */
static u32 key[8];
static u32 nonce[3];

/* A unit that starts anew has the same seed: by the time, which need not be secret, its stream is another. */
void random_start(void)
{
	u64 now = arch_counter_read();

	memcpy(key, rt_boot->seed, sizeof(key));
	memcpy(nonce, rt_boot->seed + sizeof(key), sizeof(nonce));
	nonce[0] ^= (u32)now;
	nonce[1] ^= (u32)(now >> 32);
}

void random_recover(void)
{
	lock = (struct rt_lock)RT_LOCK_INIT; /* the key goes on: that of the boot page was used */
}

/* A request takes a key of its own, which no later state of the generator can give again. */
void random_bytes(void *to, size_t length)
{
	u8 block[CHACHA20_BLOCK];
	u32 own[8];
	static const u32 no_nonce[3];
	u8 *out = to;

	lock_acquire(&lock);
	chacha20_block(block, key, 0, nonce);
	memcpy(key, block, sizeof(key));
	memcpy(own, block + sizeof(key), sizeof(own));
	lock_release(&lock);
	for (u32 counter = 0; length; counter++) {
		size_t part = length < sizeof(block) ? length : sizeof(block);

		chacha20_block(block, own, counter, no_nonce);
		memcpy(out, block, part);
		out += part;
		length -= part;
	}
	memset(block, 0, sizeof(block));
	memset(own, 0, sizeof(own));
	__asm__ volatile("" : : "r"(block), "r"(own) : "memory"); /* the clearing is not to be optimised away */
}
