/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules with virtual variables, in three live stacks: loaded, right, unloaded, and nothing left. */
#include <dlfcn.h>
#include <execinfo.h>
#include <sched.h>
#include <unistd.h>

#include "kld-test.h"

typedef int int_t(void), check_t(int);
typedef long long_t(void);

static void
variables_are_right_in_every_stack(void **state)
{
	(void)state;
	sets_of("sets");
}

static void
variables_are_right_compiled_fpie(void **state)
{
	(void)state;
	sets_of("sets-pie");
}

static void
variables_are_right_compiled_O0(void **state)
{
	(void)state;
	sets_of("sets-O0");
}

static void
variables_are_right_compiled_in_sections(void **state)
{
	(void)state;
	sets_of("sets-sections");
}

#ifdef LOADS_NOPIC	/* otherwise it is refused: test-kld-refuse.c */
static void
variables_are_right_compiled_without_pic(void **state)
{
	(void)state;
	sets_of("sets-nopic");
}
#endif

static void
variables_are_right_joined_by_lld(void **state)
{
	(void)state;
	sets_of("sets-lld");
}

/* As each linker makes them, relaxed or not; those that are not here are not built. */
static void
variables_are_right_in_shared_objects(void **state)
{
	static const char *const linker[] = { "ld", "ld.lld", "ld.gold", "mold" };
	static const char *const how[] = { "default", "symbolic", "norelax", "relr" };
	char name[64];

	(void)state;
	for (int l = 0; l < 4; l++)
		for (int h = 0; h < 4; h++)
			for (int o = 0; o < 2; o++) {
				snprintf(name, sizeof(name), "sets-shared%s-%s-%s", o ? "-O0" : "", linker[l], how[h]);
				if (access(module_path(name), R_OK) == 0)
					sets_of(name);
				else
					assert_true(l != 0 || h == 3);
			}
}

static void
variables_are_right_compiled_by_clang(void **state)
{
	static const char *const linker[] = { "", "-ld-symbolic", "-ld.lld-symbolic", "-ld.lld-norelax", "-mold-symbolic" };
	char name[64];

	(void)state;
	for (int o = 0; o <= 2; o += 2)
		for (size_t l = 0; l < sizeof(linker) / sizeof(linker[0]); l++) {
			snprintf(name, sizeof(name), "sets-%sclang-O%d%s", l != 0 ? "shared-" : "", o, linker[l]);
			if (access(module_path(name), R_OK) == 0)
				sets_of(name);
			else
				assert_true(l != 0);
		}
}

static void
program_pointers_are_rebased(void **state)
{
	(void)state;
	for (int i = 0; i < NSTACKS; i++)
		assert_ptr_equal(VNET_VNET(stacks[i], host_ptr), VNET_VNET_PTR(stacks[i], host_var));
}

static void
variables_of_other_modules_and_libraries(void **state)
{
	linker_file_t sets, user;
	struct uverr err = { "" };
	struct spaces before;
	int line;

	(void)state;
	spaces_get(&before);
	sets = load("sets");
	user = load("user");
	check_values(sets, 1);
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		line = function(user, check_t *, "user_check")(100 + i);
		CURVNET_RESTORE();
		assert_int_equal(line, 0);
	}
	assert_int_equal(kld_unload(sets, &err), -EBUSY);
	assert_non_null(strstr(err.text, "user.ko needs it"));
	unload(user);
	unload(sets);
	assert_same_spaces(&before);
}

static void
a_source_written_for_freebsd_works(void **state)
{
	struct spaces before;
	cpu_set_t here, before_pinned;
	linker_file_t file;
	int used;

	(void)state;
	/* As in a worker: what is read and written per CPU is the same CPU's. */
	assert_int_equal(sched_getaffinity(0, sizeof(before_pinned), &before_pinned), 0);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	spaces_get(&before);
	file = load("freebsd");
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		used = function(file, int (*)(int), "fb_use")(10 + i);
		CURVNET_RESTORE();
		assert_int_equal(used, 7);
	}
	/* vnet0 keeps its 64; three packets, in one stack each; three hits on the CPUs. */
	assert_int_equal(function(file, int_t *, "fb_sum_all")(), 64 + 10 + 11 + 12 + 3 + 3000);
	unload(file);
	assert_int_equal(sched_setaffinity(0, sizeof(before_pinned), &before_pinned), 0);
	assert_same_spaces(&before);
}

static void
shared_objects_use_each_other(void **state)
{
	linker_file_t sets, user;
	struct uverr err = { "" };
	struct spaces before;
	int line;

	(void)state;
	spaces_get(&before);
	sets = load("sets");
	user = load("user-shared");
	check_values(sets, 1);
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		line = function(user, check_t *, "user_check")(100 + i);
		CURVNET_RESTORE();
		assert_int_equal(line, 0);
	}
	assert_int_equal(kld_unload(sets, &err), -EBUSY);
	unload(user);
	unload(sets);
	assert_same_spaces(&before);
}

static void
constructors_of_shared_objects_run(void **state)
{
	struct uverr err = { "" };
	struct spaces before;
	linker_file_t file;
	int total;

	(void)state;
	spaces_get(&before);
	steps_taken = steps_done = 0;
	unload(load("steps-shared"));
	total = steps_taken;
	assert_int_equal(total, 3 + 2 * (NSTACKS + 1));
	assert_int_equal(steps_done, 0);
	for (step_to_fail = 0; step_to_fail < total; step_to_fail++) {
		steps_taken = 0;
		file = NULL;
		assert_int_equal(kld_load(module_path("steps-shared"), &file, &err), -EPROTO);
		assert_int_equal(steps_done, 0);
		assert_same_spaces(&before);
	}
	step_to_fail = -1;
	host_unload_events = 0;
}

/* Code, constants and relocated constants; nothing of the whole pages of a template is writable. */
static void
shared_objects_keep_no_rights_too_many(void **state)
{
	linker_file_t file = load("sets-shared-ld-symbolic");
	uintptr_t zero = (uintptr_t)lookup(file, "sets_put");
	struct kld_info info;
	char text[1024];

	(void)state;
	kld_getinfo(file, &info);
	rights(zero, zero + 1, text);
	assert_string_equal(text, "r-x");
	rights(info.address + info.size, info.address + info.size + 1, text);
	assert_string_equal(text, "---");
	rights(info.address, info.address + info.size, text);
	assert_non_null(strstr(text, "rw-"));
	unload(file);
	rights(info.address, info.address + info.size, text);
	assert_string_equal(text, "---");
}

static void
distances_within_a_set_are_right(void **state)
{
	linker_file_t file = load("inner");
	int value;

	(void)state;
	CURVNET_SET(stacks[1]);
	value = function(file, int_t *, "inner_value")();
	CURVNET_RESTORE();
	assert_int_equal(value, 99);
	unload(file);
}

static void
a_constructor_that_fails_leaves_nothing(void **state)
{
	struct uverr err = { "" };
	linker_file_t file;
	struct spaces before;
	uintptr_t var;
	int total;

	(void)state;
	spaces_get(&before);
	steps_taken = steps_done = 0;
	file = load("steps");
	total = steps_taken;
	assert_int_equal(total, 3 + 2 * (NSTACKS + 1));	/* vnet0 is a stack too */
	assert_int_equal(steps_done, total);
	var = (uintptr_t)lookup(file, "vnet_entry_steps_var");
	unload(file);
	assert_int_equal(steps_done, 0);
	assert_int_equal(host_unload_events, 1);

	for (step_to_fail = 0; step_to_fail < total; step_to_fail++) {
		steps_taken = 0;
		file = NULL;
		assert_int_equal(kld_load(module_path("steps"), &file, &err), -EPROTO);
		assert_non_null(strstr(err.text, "steps.ko"));
		assert_null(file);
		assert_null(kld_find("steps"));
		assert_int_equal(steps_done, 0);
		assert_same_spaces(&before);
		for (int i = 0; i < NSTACKS; i++)
			assert_int_equal(*(int *)(var + stacks[i]->vnet_base), 0);
	}
	step_to_fail = -1;
	unload(load("steps"));
	assert_int_equal(steps_done, 0);
}

static void
quiesce_may_veto(void **state)
{
	struct uverr err = { "" };
	linker_file_t file = load("steps");

	(void)state;
	host_unload_events = 0;
	host_quiesce = EBUSY;
	assert_int_equal(kld_unload(file, &err), -EBUSY);
	assert_non_null(strstr(err.text, "module steps cannot go now"));
	assert_ptr_equal(kld_find("steps"), file);
	assert_int_equal(host_unload_events, 0);
	host_quiesce = EOPNOTSUPP;
	unload(file);
	assert_int_equal(host_unload_events, 1);
	host_quiesce = 0;
}

static void
code_is_never_writable(void **state)
{
	linker_file_t file = load("sets");
	struct kld_info info;
	char text[1024];

	(void)state;
	kld_getinfo(file, &info);
	rights(info.address, info.address + info.size + 1, text);
	assert_string_equal(text, MODULE_RIGHTS);
	rights((uintptr_t)lookup(file, "vnet_entry_s_global"), (uintptr_t)lookup(file, "vnet_entry_s_global") + 1, text);
	assert_string_equal(text, "r--");
	unload(file);
	rights(info.address, info.address + info.size, text);
	assert_string_equal(text, "---");
}

static void
addresses_have_names(void **state)
{
	linker_file_t file = load("sets");
	const char *name, *where;
	uintptr_t offset;

	(void)state;
	name = kld_symbolize(((uintptr_t)lookup(file, "sets_put") & ~FUNC_BITS) + 1, &where, &offset);
	assert_string_equal(name, "sets_put");
	assert_string_equal(where, "sets.ko");
	assert_int_equal(offset, 1);
	name = kld_symbolize((uintptr_t)lookup(file, "vnet_entry_s_array") + 8, &where, &offset);
	assert_string_equal(name, "vnet_entry_s_array");
	assert_int_equal(offset, 8);
	name = kld_symbolize((uintptr_t)addresses_have_names & ~FUNC_BITS, &where, &offset);	/* a static of the program */
	assert_string_equal(name, "addresses_have_names");
	assert_string_equal(where, "test");
	assert_int_equal(offset, 0);
	name = kld_symbolize((uintptr_t)&VNET_NAME(host_var), &where, &offset);
	assert_string_equal(name, "vnet_entry_host_var");
	assert_null(kld_symbolize(1, &where, &offset));
	assert_null(kld_lookup(file, "vnet_entry_s_static"));
	assert_ptr_equal(lookup(kld_next(NULL), "host_step"), host_step);
	unload(file);
}

static const struct kld_symbolinfo *
symbol_called(const struct kld_symbolinfo *sym, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(sym[i].name, name) == 0)
			return (&sym[i]);
	return (NULL);
}

static void
a_file_is_described_without_loading_it(void **state)
{
	const struct kld_symbolinfo *sym;
	struct kld_fileinfo *info;
	struct uverr err = { "" };
	struct kld_info loaded;
	linker_file_t file;

	(void)state;
	if (kld_fileinfo(module_path("sets"), &info, &err) != 0)
		fail_msg("%s", err.text);
	assert_null(kld_find("sets"));
	assert_string_equal(info->name, "sets.ko");
	assert_int_equal(info->nmeta, 1);
	assert_int_equal(info->meta[0].type, MDT_VERSION);
	assert_int_equal(info->meta[0].min, 3);
	assert_non_null(symbol_called(info->imports, info->nimports, "vnet_entry_host_var"));
	assert_null(symbol_called(info->imports, info->nimports, "sets_sum"));
	sym = symbol_called(info->exports, info->nexports, "vnet_entry_s_array");
	assert_non_null(sym);
	assert_int_equal(sym->class, KLD_SYM_VNET);
	assert_int_equal(sym->size, 5 * sizeof(int));
	assert_int_equal(symbol_called(info->exports, info->nexports, "sets_sum")->class, KLD_SYM_FUNC);
	assert_null(symbol_called(info->exports, info->nexports, "vnet_entry_s_static"));

	file = load("sets");
	kld_getinfo(file, &loaded);
	assert_int_equal(info->vnet_size, loaded.vnet_size);
	assert_int_equal(info->pcpu_size, loaded.pcpu_size);
	unload(file);
	kld_fileinfo_free(info);
	assert_int_equal(kld_fileinfo(MODULES "nothing.ko", &info, &err), -ENOENT);
	assert_int_equal(kld_fileinfo("/proc/self/exe", &info, &err), -ENOEXEC);
}

#ifndef __arm__		/* whose unwinder cannot be told of frames: unwind.c */
static int
count_frames_to_test(void)
{
	void *frame[64];
	int n = backtrace(frame, 64);

	for (int i = 0; i < n; i++) {
		const char *file;
		uintptr_t offset;
		const char *name = kld_symbolize((uintptr_t)frame[i] - 1, &file, &offset);

		if (name != NULL && strcmp(name, "backtraces_go_through_modules") == 0)
			return (i);
	}
	return (-1);
}

static void
backtraces_go_through_modules(void **state)
{
	static const char *const name[] = { "frames", "frames-shared" };
	linker_file_t file;
	int frames;

	(void)state;
	for (int i = 0; i < 2; i++) {
		file = load(name[i]);
		frames = function(file, int (*)(int (*)(void), int), "frames_call")(count_frames_to_test, 0);
		unload(file);
		assert_in_range(frames, 2, 4);
	}
}
#endif

#ifdef __x86_64__
static void
instructions_are_relaxed(void **state)
{
	static const struct {
		const char *name;
		int value;
	} want[] = {
		{ "r_mov_near", 321 }, { "r_mov_r15", 321 }, { "r_mov_own", 1234 }, { "r_call_near", 9876 },
		{ "r_jmp_near", 9876 }, { "r_cmp", 1 }, { "r_imm", 1 }, { "r_tls_mov", 654 }, { "r_tls_mov_r12", 654 },
		{ "r_tls_add", 654 }, { "r_tls_add_r13", 654 }, { "r_tls_slot", 654 }, { "r_tls_le", 654 },
	};
	static const char *const pid[] = { "r_call_far", "r_call_plt", "r_jmp_far", "r_lea_far" };
	linker_file_t file = load("relax");
	const uint8_t *code;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(function(file, int_t *, want[i].name)(), want[i].value);
	for (size_t i = 0; i < sizeof(pid) / sizeof(pid[0]); i++)
		assert_int_equal(function(file, int_t *, pid[i])(), getpid());
	assert_ptr_equal(function(file, void *(*)(void), "r_mov_far")(),
	    *(void **)dlsym(RTLD_DEFAULT, "program_invocation_short_name"));
	assert_int_equal(*(long *)lookup(file, "relax_tpoff"), (char *)&host_tls - (char *)__builtin_thread_pointer());

	code = lookup(file, "r_mov_near");
	assert_int_equal(code[1], 0x8d);	/* lea */
	code = lookup(file, "r_mov_far");
	assert_int_equal(code[1], 0x8b);	/* still mov, from a slot */
	code = lookup(file, "r_jmp_near");
	assert_int_equal(code[0], 0xe9);
	code = lookup(file, "r_tls_mov");
	assert_int_equal(code[1], 0xc7);	/* an immediate */
	unload(file);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_pointers_are_rebased),
		cmocka_unit_test(variables_are_right_in_every_stack),
		cmocka_unit_test(variables_are_right_compiled_fpie),
		cmocka_unit_test(variables_are_right_compiled_O0),
		cmocka_unit_test(variables_are_right_compiled_in_sections),
#ifdef LOADS_NOPIC
		cmocka_unit_test(variables_are_right_compiled_without_pic),
#endif
		cmocka_unit_test(variables_are_right_joined_by_lld),
		cmocka_unit_test(variables_are_right_in_shared_objects),
		cmocka_unit_test(variables_are_right_compiled_by_clang),
		cmocka_unit_test(shared_objects_use_each_other),
		cmocka_unit_test(a_source_written_for_freebsd_works),
		cmocka_unit_test(constructors_of_shared_objects_run),
		cmocka_unit_test(shared_objects_keep_no_rights_too_many),
		cmocka_unit_test(variables_of_other_modules_and_libraries),
		cmocka_unit_test(distances_within_a_set_are_right),
		cmocka_unit_test(a_constructor_that_fails_leaves_nothing),
		cmocka_unit_test(quiesce_may_veto),
		cmocka_unit_test(code_is_never_writable),
		cmocka_unit_test(addresses_have_names),
		cmocka_unit_test(a_file_is_described_without_loading_it),
#ifndef __arm__
		cmocka_unit_test(backtraces_go_through_modules),
#endif
#ifdef __x86_64__
		cmocka_unit_test(instructions_are_relaxed),
#endif
	};

	return (cmocka_run_group_tests_name("kld", tests, kld_test_setup, kld_test_teardown));
}
