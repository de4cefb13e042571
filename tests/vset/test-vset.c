/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual sets: instances mirror templates, templates are read-only, what is freed is zero.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uvnet/vset.h>
#include <cmocka.h>

#define IN_SET __attribute__((section("set_vnet"), used))

struct node {
	struct node *next;
	int value;
};

/* Template: numbers, a zero-filled stretch, pointers into the set. */
static int number IN_SET = 42;
static char zeros[8192] IN_SET;
static struct node second IN_SET = { NULL, 2 };
static struct node first IN_SET = { &second, 1 };
static int *inside IN_SET = &number;

extern char __start_set_vnet[], __stop_set_vnet[];

#define AT(delta, x) ((__typeof__(x) *)((uintptr_t)&(x) + (delta)))

static struct vset *set;
static struct vset_region *region;

static int
setup(void **state)
{
	const struct vset_params params = { .name = "set_vnet", .max = 1000, .tail = 1 << 20, .stagger = 1 };
	const uintptr_t rebase[] = { (uintptr_t)&first.next, (uintptr_t)&inside };
	struct uverr err;

	(void)state;
	if (vset_create(&params, &set, &err) != 0)
		return (-1);
	return (vset_region_add(set, "test", (uintptr_t)__start_set_vnet,
	    (size_t)(__stop_set_vnet - __start_set_vnet), 64, rebase, 2, &region, &err));
}

static int
teardown(void **state)
{
	(void)state;
	vset_region_remove(set, region);
	vset_destroy(set);
	return (0);
}

static void
every_instance_has_its_own_copy(void **state)
{
	uintptr_t delta[100];
	unsigned slot[100], i;

	(void)state;
	for (i = 0; i < 100; i++) {
		assert_int_equal(vset_instance_alloc(set, &slot[i], &delta[i], NULL), 0);
		assert_int_equal(*AT(delta[i], number), 42);
		*AT(delta[i], number) = (int)i;
	}
	for (i = 0; i < 100; i++) {
		assert_int_equal(*AT(delta[i], number), i);
		vset_instance_free(set, slot[i]);
	}
	assert_int_equal(number, 42);
}

static void
pointers_into_the_template_point_into_the_instance(void **state)
{
	uintptr_t delta;
	unsigned slot;

	(void)state;
	assert_int_equal(vset_instance_alloc(set, &slot, &delta, NULL), 0);
	assert_ptr_equal(AT(delta, first)->next, AT(delta, second));
	assert_int_equal(AT(delta, first)->next->value, 2);
	assert_ptr_equal(*AT(delta, inside), AT(delta, number));
	vset_instance_free(set, slot);
}

static void
a_freed_slot_is_used_first_and_is_clean(void **state)
{
	uintptr_t delta, start[2], again;
	unsigned slot, other;
	size_t size[2];

	(void)state;
	assert_int_equal(vset_instance_alloc(set, &slot, &delta, NULL), 0);
	vset_instance_room(set, slot, start, size);
	memset(AT(delta, zeros), 0xee, sizeof(zeros));
	memset((void *)start[0], 0xee, size[0]);
	memset((void *)start[1], 0xee, size[1]);
	*AT(delta, number) = 1;
	assert_true(vset_instance_resident(set, slot) >= size[0] + size[1]);
	vset_instance_free(set, slot);
	assert_int_equal(vset_instance_alloc(set, &other, &again, NULL), 0);
	assert_int_equal(other, slot);
	assert_int_equal(again, delta);
	assert_int_equal(*AT(delta, number), 42);
	assert_int_equal(((char *)start[0])[size[0] - 1], 0);
	assert_int_equal(((char *)start[1])[size[1] - 1], 0);
	assert_int_equal(AT(delta, zeros)[0][sizeof(zeros) - 1], 0);
	vset_instance_free(set, other);
}

static void
a_zero_filled_template_touches_no_pages(void **state)
{
	uintptr_t delta;
	unsigned slot;

	(void)state;
	assert_int_equal(vset_instance_alloc(set, &slot, &delta, NULL), 0);
	assert_true(vset_instance_resident(set, slot) <= 2 * 4096);
	vset_instance_free(set, slot);
}

static void
instances_do_not_share_pages_and_are_staggered(void **state)
{
	uintptr_t a, b;

	(void)state;
	a = vset_delta(set, 1);
	b = vset_delta(set, 2);
	assert_int_equal((b - a) % 4096, 64);
	assert_int_equal(vset_delta(set, 61) % 4096, vset_delta(set, 0) % 4096);
	assert_int_equal(vset_slot_of(set, (uintptr_t)&number + a), 1);
	assert_int_equal(vset_slot_of(set, (uintptr_t)&number), -1);
}

static void
a_region_reaches_live_instances_and_leaves_them_zero(void **state)
{
	struct vset_region *more;
	uintptr_t delta, addr;
	unsigned slot;

	(void)state;
	assert_int_equal(vset_instance_alloc(set, &slot, &delta, NULL), 0);
	assert_int_equal(vset_space_alloc(VSET_SPACE_VNET, 256, 64, &addr, NULL), 0);
	assert_int_equal(vset_template_open(addr, 256, NULL), 0);
	strcpy((char *)addr, "template");
	vset_template_close(addr, 256);
	assert_int_equal(vset_region_add(set, "more", addr, 256, 64, NULL, 0, &more, NULL), 0);
	assert_string_equal((char *)(addr + delta), "template");
	vset_region_remove(set, more);
	assert_int_equal(*(char *)(addr + delta), 0);
	vset_space_free(VSET_SPACE_VNET, addr, 256);
	vset_instance_free(set, slot);
}

/* A module's pages: made writable, as whoever took them does. */
static unsigned char *
take_pages(size_t n, size_t *clean)
{
	uintptr_t addr;

	assert_int_equal(vset_space_alloc(VSET_SPACE_MODULE, n * 4096, 4096, &addr, NULL), 0);
	assert_int_equal(mprotect((void *)addr, n * 4096, PROT_READ | PROT_WRITE), 0);
	*clean = vset_space_clean(addr, n * 4096);
	for (size_t i = 0; i < n * 4096; i++)
		assert_int_equal(((unsigned char *)addr)[i], 0);
	memset((void *)addr, 0xee, n * 4096);
	return ((unsigned char *)addr);
}

/* Whether the system can read there. */
static int
is_readable(const unsigned char *p)
{
	int fd[2], readable;

	assert_int_equal(pipe(fd), 0);
	readable = write(fd[1], p, 1) == 1;
	close(fd[0]);
	close(fd[1]);
	return (readable);
}

static void
pages_kept_for_the_next_module_are_zero_and_nobodys(void **state)
{
	struct vset_spaceinfo info;
	unsigned char *a, *b;
	size_t clean;

	(void)state;
	a = take_pages(8, &clean);
	assert_int_equal(clean, 0);
	vset_space_free_keep((uintptr_t)a, 8 * 4096, 3 * 4096);
	for (int i = 0; i < 8; i++)
		assert_false(is_readable(a + i * 4096));
	vset_space_stat(VSET_SPACE_MODULE, &info);
	assert_int_equal(info.largest, info.size);

	b = take_pages(8, &clean);		/* the same; more than was kept */
	assert_ptr_equal(b, a);
	assert_int_equal(clean, 3 * 4096);
	vset_space_free_keep((uintptr_t)b, 8 * 4096, 3 * 4096);
	b = take_pages(2, &clean);		/* less */
	assert_ptr_equal(b, a);
	assert_int_equal(clean, 2 * 4096);
	a = take_pages(2, &clean);		/* what was left of it */
	assert_ptr_equal(a, b + 2 * 4096);
	assert_int_equal(clean, 0);
	vset_space_free_keep((uintptr_t)b, 2 * 4096, 2 * 4096);
	vset_space_free_keep((uintptr_t)a, 2 * 4096, 4096);	/* these and no more those */
	b = take_pages(5, &clean);
	assert_int_equal(clean, 0);
	vset_space_free_keep((uintptr_t)b, 5 * 4096, 0);
	b = take_pages(1, &clean);
	assert_int_equal(clean, 0);
	vset_space_free(VSET_SPACE_MODULE, (uintptr_t)b, 4096);
	assert_false(is_readable(b));
}

static void
a_region_outside_the_window_is_refused(void **state)
{
	struct vset_region *r;
	struct uverr err;
	static int elsewhere;
	const uintptr_t stray = (uintptr_t)&elsewhere;

	(void)state;
	assert_int_equal(vset_region_add(set, "m.ko", stray, sizeof(int), 4, NULL, 0, &r, &err), -EINVAL);
	assert_non_null(strstr(err.text, "m.ko: set_vnet"));
	assert_int_equal(vset_region_add(set, "m.ko", (uintptr_t)&number, 8, 8, &stray, 1, &r, &err), -EINVAL);
	assert_int_equal(vset_region_add(set, "m.ko", (uintptr_t)&number, 8, 128, NULL, 0, &r, &err), -EINVAL);
	assert_non_null(strstr(err.text, "alignment of 128"));
}

static void
the_last_instance_is_a_clear_error(void **state)
{
	const struct vset_params params = { .name = "small", .max = 2 };
	struct vset *small;
	struct uverr err;
	uintptr_t delta;
	unsigned a, b, c;

	(void)state;
	assert_int_equal(vset_create(&params, &small, NULL), 0);
	assert_int_equal(vset_instance_alloc(small, &a, &delta, &err), 0);
	assert_int_equal(vset_instance_alloc(small, &b, &delta, &err), 0);
	assert_int_equal(vset_instance_alloc(small, &c, &delta, &err), -EAGAIN);
	assert_string_equal(err.text, "small: all 2 instances are in use");
	vset_instance_free(small, a);
	vset_instance_free(small, b);
	vset_destroy(small);
}

/* Not with ASan, whose own memory is private and large, and not where addresses are too short for them. */
#if !defined(__SANITIZE_ADDRESS__) && __SIZEOF_POINTER__ == 8
/* As under vm.overcommit_memory=2: private memory that may be written is refused when it is reserved. */
static int
setup_without_private_memory(void **state)
{
	struct rlimit was, now;
	int error;

	if (getrlimit(RLIMIT_DATA, &was) != 0)
		return (-1);
	now = (struct rlimit){ (rlim_t)256 << 20, was.rlim_max };
	if (setrlimit(RLIMIT_DATA, &now) != 0)
		return (-1);
	error = setup(state);
	setrlimit(RLIMIT_DATA, &was);
	return (error);
}

static void
where_private_memory_is_short_all_instances_fit(void **state)
{
	struct vset_params params;

	vset_getparams(set, &params);
	assert_int_equal(params.max, 1000);
	every_instance_has_its_own_copy(state);
	a_freed_slot_is_used_first_and_is_clean(state);
}

#endif

/* Run `f` in a child: the signal that ended it. */
static int
signal_of(void (*f)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGSEGV, SIG_DFL);
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void
write_template(void)
{
	*(volatile int *)&number = 1;
}

static void
read_null_slot(void)
{
	(void)*(volatile int *)AT(VSET_WINDOW_SIZE, number);
}

static void
templates_are_read_only_and_the_null_slot_is_nobodys(void **state)
{
	uintptr_t addr = (uintptr_t)&number + VSET_WINDOW_SIZE;

	(void)state;
	assert_int_equal(signal_of(write_template), SIGSEGV);
	assert_int_equal(signal_of(read_null_slot), SIGSEGV);
	assert_true(vset_in_null(&addr));
	assert_ptr_equal((void *)addr, &number);
	assert_true(vset_in_window(addr));
	assert_false(vset_in_null(&addr));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_instance_has_its_own_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(pointers_into_the_template_point_into_the_instance, setup, teardown),
		cmocka_unit_test_setup_teardown(a_freed_slot_is_used_first_and_is_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(a_zero_filled_template_touches_no_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(instances_do_not_share_pages_and_are_staggered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_region_reaches_live_instances_and_leaves_them_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(a_region_outside_the_window_is_refused, setup, teardown),
		cmocka_unit_test(pages_kept_for_the_next_module_are_zero_and_nobodys),
#if !defined(__SANITIZE_ADDRESS__) && __SIZEOF_POINTER__ == 8
		cmocka_unit_test_setup_teardown(where_private_memory_is_short_all_instances_fit, setup_without_private_memory,
		    teardown),
#endif
		cmocka_unit_test(the_last_instance_is_a_clear_error),
		cmocka_unit_test(templates_are_read_only_and_the_null_slot_is_nobodys),
	};
	struct uverr err;

	if (vset_window_init(&err) != 0) {
		print_error("%s\n", err.text);
		return (1);
	}
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
