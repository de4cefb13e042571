/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter(9): words of which every CPU has its own.
 *
 * A counter is an index; its words lie at the same place of equally large slots, side by side in one arena:
 *
 *	| nobody's | CPU 0 | CPU 1 | ... | owner 0 | owner 1 | ... |
 *	     ^ the counter   ^ + distance of CPU 1
 *
 * The counter's own value is its address in nobody's slot, which is never accessible.  A CPU's slot is touched by
 * whoever runs there, in restartable sequences or atomically; an owner's slot by one thread only, whatever CPU it
 * runs on, so nothing that is done to affinities or CPUs can make its plain additions wrong.
 *
 * With mm_cid the slots in the middle are those of concurrency numbers instead of CPUs: the kernel gives each running
 * thread of a process a small number that no other has at that moment.  Then as many slots are used as threads run
 * at once, however many CPUs they wander over.
 *
 * A slot is in use from its first addition on: until then the tables have no distance for it, the fast ways give
 * up, and counter_u64_add_slow() puts it in.  So reading visits only CPUs that ever counted.
 *
 * Free counters are the zero bits of a map, the lowest is taken first, and a page whose counters are all free
 * goes back to the system.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>

#include "dpcpu_impl.h"

#define PAGE 4096
#define SLOT_MAX ((size_t)32 << 20)	/* 4 million counters */
#define SLOT_MIN ((size_t)64 << 10)
#define OWNERS_MIN 16
#define MAXSLOT (2 * COUNTER_MAXCPU)
#define PER_MAP 64			/* counters of a word of the map */
#define PAGE_MAPS (PAGE / sizeof(uint64_t) / PER_MAP)

struct counter_table counter_percpu;

/* What others see as the constant counter_owned. */
extern _Thread_local char *own_words __asm__("counter_owned") __attribute__((tls_model("initial-exec")));
_Thread_local char *own_words;

/* As counter_percpu, of all slots in use and whatever the path is. */
static struct {
	uintptr_t none[2];
	uintptr_t slot[MAXSLOT];
} in_use;

/* CPUs and owners from this number on are not in use: so reading does not visit all that there could be. */
static size_t cpus_end, owners_end;

static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t arena;
static size_t slot_size, nslots;
static uint64_t *map;			/* a bit for each counter: taken */
static size_t map_first;		/* no counter is free in front of this word of it */
static unsigned char *owner_taken;
static pthread_key_t owner_key;		/* its destructor ends what counter_own() began */

/* A page more than the size: else a counter's words would all compete for one line of a cache. */
static uintptr_t
slot_distance(size_t slot)
{
	return ((slot + 1) * (slot_size + PAGE));
}

static size_t
arena_size(void)
{
	return (slot_distance(nslots));
}

static size_t
owners(void)
{
	return (nslots - mp_ncpus);
}

/* ---- Start and end ---- */

static void thread_ends(void *distance);

int
counter_init(struct uverr *err)
{
	const size_t nowners = mp_ncpus > OWNERS_MIN ? mp_ncpus : OWNERS_MIN;
	void *m = MAP_FAILED;

	assert(mp_ncpus <= COUNTER_MAXCPU);
	nslots = mp_ncpus + nowners;
	for (slot_size = SLOT_MAX; slot_size >= SLOT_MIN; slot_size /= 2) {
		if (slot_size + PAGE > SIZE_MAX / (nslots + 1))	/* 32 bits */
			continue;
		m = mmap(NULL, arena_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (m != MAP_FAILED)
			break;
	}
	if (m == MAP_FAILED)
		return (uverr(err, ENOMEM, "counters: no address space for %zu slots of %zu bytes: %s; raise the limit "
		    "(ulimit -v)", nslots, SLOT_MIN, strerror(errno)));
	if (pthread_key_create(&owner_key, thread_ends) != 0) {
		munmap(m, arena_size());
		return (uverr(err, EAGAIN, "counters: the process has no pthread key left"));
	}
	arena = (uintptr_t)m;
	madvise(m, arena_size(), MADV_NOHUGEPAGE);
	madvise(m, arena_size(), MADV_DONTDUMP);
	map = calloc(slot_size / sizeof(uint64_t) / PER_MAP, sizeof(*map));
	owner_taken = calloc(nowners, 1);
	if (map == NULL || owner_taken == NULL || mprotect(m, slot_distance(0), PROT_NONE) != 0) {
		counter_fini();
		return (uverr(err, ENOMEM, "counters: out of memory"));
	}
	return (0);
}

void
counter_fini(void)
{
	munmap((void *)arena, arena_size());
	free(map);
	map = NULL;
	free(owner_taken);
	owner_taken = NULL;
	map_first = 0;
	if (own_words != NULL)
		pthread_setspecific(owner_key, NULL);
	own_words = NULL;
	pthread_key_delete(owner_key);
	memset(counter_percpu.cpu, 0, mp_ncpus * sizeof(counter_percpu.cpu[0]));
	memset(in_use.slot, 0, nslots * sizeof(in_use.slot[0]));
	cpus_end = owners_end = 0;
}

/* ---- A counter's words ---- */

static uint64_t *
word(counter_u64_t c, uintptr_t distance)
{
	return ((uint64_t *)((uintptr_t)c + distance));
}

/* The distance of a slot, or 0 when nobody has used it. */
static uintptr_t
slot_used(size_t slot)
{
	return (__atomic_load_n(&in_use.slot[slot], __ATOMIC_RELAXED));
}

/* In a signal handler, too.  The end is raised first: who sees the slot in use is seen by whoever reads next. */
static void
slot_use(size_t slot)
{
	size_t *const end = slot < mp_ncpus ? &cpus_end : &owners_end;
	const size_t number = slot < mp_ncpus ? slot : slot - mp_ncpus;
	size_t was = __atomic_load_n(end, __ATOMIC_RELAXED);

	while (was <= number && !__atomic_compare_exchange_n(end, &was, number + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
	__atomic_store_n(&in_use.slot[slot], slot_distance(slot), __ATOMIC_RELEASE);
	if (dpcpu_path == DPCPU_PATH_RSEQ && slot < mp_ncpus)
		__atomic_store_n(&counter_percpu.cpu[slot], slot_distance(slot), __ATOMIC_RELEASE);
}

/* By restartable sequence; the number that there is no slot for yet is this thread's at this moment. */
static void
add_rseq(counter_u64_t c, int64_t inc, uintptr_t field)
{
	const char *const area = (const char *)__builtin_thread_pointer() + __rseq_offset;
	int32_t number;

	while (counter_rseq_add(c, inc, in_use.slot, field) != 0) {
		number = *(const volatile int32_t *)(area + field);
		if (number < 0 || (unsigned)number >= mp_ncpus)
			dpcpu_stranger();
		slot_use((unsigned)number);
	}
}

void
counter_u64_add_slow(counter_u64_t c, int64_t inc)
{
	unsigned cpu;

	switch (dpcpu_path) {
	case DPCPU_PATH_RSEQ:
		add_rseq(c, inc, RSEQ_FIELD_CPU_ID);
		break;
	case DPCPU_PATH_MM_CID:
		add_rseq(c, inc, RSEQ_FIELD_MM_CID);
		break;
	case DPCPU_PATH_ATOMIC:
		cpu = dpcpu_getcpu();
		if (slot_used(cpu) == 0)
			slot_use(cpu);
		__atomic_fetch_add(word(c, slot_used(cpu)), (uint64_t)inc, __ATOMIC_RELAXED);
		break;
	}
}

/* The sum over the slots from one number to another. */
static uint64_t
sum_slots(counter_u64_t c, size_t from, size_t to)
{
	uintptr_t distance;
	uint64_t sum = 0;
	size_t i;

	for (i = from; i < to; i++)
		if ((distance = slot_used(i)) != 0)
			sum += __atomic_load_n(word(c, distance), __ATOMIC_RELAXED);
	return (sum);
}

uint64_t
counter_u64_fetch(counter_u64_t c)
{
	const size_t cpus = __atomic_load_n(&cpus_end, __ATOMIC_RELAXED);
	const size_t own = __atomic_load_n(&owners_end, __ATOMIC_RELAXED);

	return (sum_slots(c, 0, cpus) + sum_slots(c, mp_ncpus, mp_ncpus + own));
}

/* Storing zeros would undo what is added meanwhile; taking away what was seen does not. */
void
counter_u64_zero(counter_u64_t c)
{
	counter_u64_add_protected(c, -(int64_t)counter_u64_fetch(c));
}

/* ---- Which counters are taken ---- */

static counter_u64_t
take(void)
{
	const size_t nmap = slot_size / sizeof(uint64_t) / PER_MAP;
	size_t bit;

	while (map_first < nmap && map[map_first] == UINT64_MAX)
		map_first++;
	if (map_first == nmap)
		return (NULL);
	bit = (size_t)__builtin_ctzll(~map[map_first]);
	map[map_first] |= (uint64_t)1 << bit;
	return ((counter_u64_t)arena + map_first * PER_MAP + bit);
}

static int
page_is_free(size_t m)
{
	size_t i;

	m -= m % PAGE_MAPS;
	for (i = 0; i < PAGE_MAPS; i++)
		if (map[m + i] != 0)
			return (0);
	return (1);
}

/* The next owner starts from zero. */
static void
give_back(counter_u64_t c)
{
	const size_t index = ((uintptr_t)c - arena) / sizeof(uint64_t), m = index / PER_MAP;
	const uint64_t bit = (uint64_t)1 << index % PER_MAP;
	uintptr_t distance;
	size_t i;
	int page;

	assert((uintptr_t)c - arena < slot_size && (map[m] & bit) != 0);
	map[m] &= ~bit;
	if (m < map_first)
		map_first = m;
	page = page_is_free(m);
	for (i = 0; i < nslots; i++) {
		if ((distance = slot_used(i)) == 0)
			continue;
		if (page)
			page = madvise((void *)(((uintptr_t)c & ~(uintptr_t)(PAGE - 1)) + distance), PAGE, MADV_DONTNEED) == 0;
		if (!page && *word(c, distance) != 0)
			*word(c, distance) = 0;
	}
}

counter_u64_t
counter_u64_alloc(int flags)
{
	counter_u64_t c;

	(void)flags;
	pthread_mutex_lock(&counter_lock);
	c = take();
	pthread_mutex_unlock(&counter_lock);
	return (c);
}

void
counter_u64_free(counter_u64_t c)
{
	counter_array_free(&c, 1);
}

int
counter_array_alloc(counter_u64_t a[], size_t n, int flags)
{
	size_t i, got = 0;

	(void)flags;
	memset(a, 0, n * sizeof(a[0]));
	pthread_mutex_lock(&counter_lock);
	while (got < n && (a[got] = take()) != NULL)
		got++;
	if (got < n)
		for (i = 0; i < got; i++) {
			give_back(a[i]);
			a[i] = NULL;
		}
	pthread_mutex_unlock(&counter_lock);
	return (got == n ? 0 : -ENOMEM);
}

void
counter_array_free(counter_u64_t a[], size_t n)
{
	size_t i;

	pthread_mutex_lock(&counter_lock);
	for (i = 0; i < n; i++) {
		if (a[i] != NULL)
			give_back(a[i]);
		a[i] = NULL;
	}
	pthread_mutex_unlock(&counter_lock);
}

size_t
counter_resident(void)
{
	const size_t pages = slot_size / PAGE;
	unsigned char *vec = malloc(pages);
	uintptr_t distance;
	size_t i, k, n = 0;

	if (vec == NULL)
		return (0);
	for (i = 0; i < nslots; i++)
		if ((distance = slot_used(i)) != 0 && mincore((void *)(arena + distance), slot_size, vec) == 0)
			for (k = 0; k < pages; k++)
				n += vec[k] & 1;
	free(vec);
	return (n * PAGE);
}

/* ---- Owners ---- */

/* This thread ends.  `distance`: of what it owned; other destructors may still count, by the way for all. */
static void
disown(void *distance)
{
	pthread_mutex_lock(&counter_lock);
	owner_taken[(uintptr_t)distance / slot_distance(0) - 1 - mp_ncpus] = 0;
	pthread_mutex_unlock(&counter_lock);
}

static void
thread_ends(void *distance)
{
	own_words = NULL;
	disown(distance);
}

int
counter_own(struct uverr *err)
{
	char *distance;
	size_t i;

	if (own_words != NULL)
		return (uverr(err, EBUSY, "counters: this thread owns words already"));
	pthread_mutex_lock(&counter_lock);
	for (i = 0; i < owners() && owner_taken[i]; i++)
		continue;
	if (i < owners()) {
		owner_taken[i] = 1;
		slot_use(mp_ncpus + i);
	}
	pthread_mutex_unlock(&counter_lock);
	if (i == owners())
		return (uverr(err, EAGAIN, "counters: all %zu owners are taken", owners()));
	distance = (char *)slot_distance(mp_ncpus + i);
	if (pthread_setspecific(owner_key, distance) != 0) {
		disown(distance);
		return (uverr(err, ENOMEM, "counters: no memory for a thread's own words"));
	}
	own_words = distance;
	return (0);
}
