/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared objects whose section headers were stripped: their sets are found by the symbols of their bounds. */
#include <dirent.h>
#include <unistd.h>

#include "kld-test.h"

static char folder[] = "/tmp/test-kld-bare-XXXXXX";
static uint8_t image[1 << 20];
static size_t size;

static ElfW(Ehdr) *
read_bare(const char *name)
{
	FILE *f = fopen(module_path(name), "rb");
	ElfW(Ehdr) *eh = (void *)image;

	assert_non_null(f);
	size = fread(image, 1, sizeof(image), f);
	fclose(f);
	assert_true(size > sizeof(*eh) && size < sizeof(image));
	eh->e_shoff = 0;
	eh->e_shnum = eh->e_shstrndx = 0;
	return (eh);
}

/* FOLDER/NAME.ko of what is in `image`, without the suffix; until the next call. */
static const char *
write_bare(const char *name)
{
	static char path[256];
	char file[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(file, sizeof(file), "%s.ko", path);
	f = fopen(file, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(image, 1, size, f), size);
	fclose(f);
	return (path);
}

static void
bare_is_refused(const char *sentence)
{
	assert_refused(module_path(write_bare("refused")), ENOEXEC, sentence);
}

/* The program header of the dynamic section of `image`. */
static const ElfW(Phdr) *
dynamic_segment(void)
{
	const ElfW(Ehdr) *eh = (void *)image;
	const ElfW(Phdr) *ph = (void *)(image + eh->e_phoff);

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			return (&ph[i]);
	fail_msg("no dynamic section");
	return (NULL);
}

/* An address that it has, which is a place in `image`, for it is in the first segment. */
static uintptr_t
dynamic(ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *d = (void *)(image + dynamic_segment()->p_offset); d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return (d->d_un.d_ptr);
	fail_msg("no dynamic entry %ld", (long)tag);
	return (0);
}

/* A dynamic symbol of `image`. */
static ElfW(Sym) *
symbol(const char *name)
{
	ElfW(Sym) *s = (void *)(image + dynamic(DT_SYMTAB));
	const char *str = (const char *)image + dynamic(DT_STRTAB);

	/* The strings lie behind the symbols with each linker that is used here. */
	for (; (const char *)(s + 1) <= str; s++)
		if (strcmp(str + s->st_name, name) == 0)
			return (s);
	fail_msg("no dynamic symbol %s", name);
	return (NULL);
}

/* One to break. */
static void
fresh(void)
{
	read_bare("sets-shared-ld-symbolic");
}

/* ---- Right ---- */

static void
variables_are_right(void **state)
{
	static const char *const linker[] = { "ld", "ld.lld", "ld.gold" };
	static const char *const how[] = { "default", "symbolic", "norelax", "relr" };
	char name[64];

	(void)state;
	for (int l = 0; l < 3; l++)
		for (int h = 0; h < 4; h++) {
			snprintf(name, sizeof(name), "sets-shared-%s-%s", linker[l], how[h]);
			if (access(module_path(name), R_OK) != 0) {
				assert_true(l != 0 || h == 3);
				continue;
			}
			read_bare(name);
			sets_of(write_bare(name));
		}
	if (access(module_path("sets-bare"), R_OK) == 0)	/* stripped by another's tool */
		sets_of("sets-bare");
}

static void
another_uses_its_variables(void **state)
{
	linker_file_t sets, user;

	(void)state;
	read_bare("sets-shared-ld-default");
	sets = load(write_bare("sets"));
	read_bare("user-shared");
	user = load(write_bare("user"));
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		function(sets, void (*)(int), "sets_put")(100 + i);
		CURVNET_RESTORE();
	}
	for (int i = 0; i < NSTACKS; i++) {
		CURVNET_SET(stacks[i]);
		assert_int_equal(function(user, int (*)(int), "user_check")(100 + i), 0);
		CURVNET_RESTORE();
	}
	unload(user);
	unload(sets);
}

static void
constructors_run(void **state)
{
	linker_file_t file;
	struct uverr err;
	struct spaces before;
	const char *path;
	int steps;

	(void)state;
	read_bare("steps-shared");
	path = write_bare("steps");
	spaces_get(&before);
	steps_taken = steps_done = 0;
	file = load(path);
	assert_int_equal(steps_done, steps_taken);
	assert_true(steps_done > NSTACKS);
	unload(file);
	assert_int_equal(steps_done, 0);
	steps = steps_taken;
	for (step_to_fail = 0; step_to_fail < steps; step_to_fail++) {
		steps_taken = 0;
		assert_int_equal(kld_load(module_path(path), &file, &err), -EPROTO);
		assert_int_equal(steps_done, 0);
		assert_same_spaces(&before);
	}
	step_to_fail = -1;
}

static void
it_is_described(void **state)
{
	struct kld_fileinfo *info, *with;
	struct uverr err;

	(void)state;
	read_bare("sets-shared-ld-symbolic");
	assert_int_equal(kld_fileinfo(module_path(write_bare("described")), &info, &err), 0);
	assert_int_equal(kld_fileinfo(module_path("sets-shared-ld-symbolic"), &with, &err), 0);
	assert_int_equal(info->vnet_size, with->vnet_size);
	assert_int_equal(info->pcpu_size, with->pcpu_size);
	assert_int_equal(info->nmeta, with->nmeta);
	assert_int_equal(info->nexports, with->nexports);
	for (size_t i = 0; i < info->nexports; i++) {
		const char *name = info->exports[i].name;

		assert_true((strncmp(name, "vnet_entry_", 11) == 0) == (info->exports[i].class == KLD_SYM_VNET));
		assert_true((strncmp(name, "pcpu_entry_", 11) == 0) == (info->exports[i].class == KLD_SYM_PCPU));
		assert_true(strncmp(name, "__st", 4) != 0);
	}
	kld_fileinfo_free(info);
	kld_fileinfo_free(with);
}

/* ---- Refused ---- */

static void
who_does_not_say_where_its_sets_are(void **state)
{
	(void)state;
	read_bare("inner-shared");		/* which has no metadata */
	bare_is_refused("no symbols that say where its sets are");
	fresh();
	symbol("__start_set_modmetadata_set")->st_name++;
	bare_is_refused("only one of the symbols __start_set_modmetadata_set and __stop_set_modmetadata_set");
	fresh();
	symbol("__start_set_vnet")->st_shndx = SHN_UNDEF;
	bare_is_refused("only one of the symbols __start_set_vnet and __stop_set_vnet");
	fresh();
	symbol("__start_set_vnet")->st_shndx = SHN_UNDEF;	/* and so has variables that it calls virtual elsewhere */
	symbol("__stop_set_vnet")->st_shndx = SHN_UNDEF;
	bare_is_refused("lies outside what its symbols say is set_vnet");
	if (access(module_path("sets-shared-mold-default"), R_OK) == 0) {	/* which hides them */
		read_bare("sets-shared-mold-default");
		bare_is_refused("no symbols that say where its sets are");
	}
}

static void
ranges_that_no_linker_makes(void **state)
{
	(void)state;
	fresh();
	symbol("__start_set_vnet")->st_value = symbol("__stop_set_vnet")->st_value + 1;
	bare_is_refused("ends before it begins");
	fresh();
	symbol("__stop_set_vnet")->st_value += 1 << 28;
	bare_is_refused("`__stop_set_vnet': outside the module");
	fresh();
	symbol("__start_set_vnet")->st_value = UINTPTR_MAX;
	bare_is_refused("`__start_set_vnet': outside the module");
	fresh();
	symbol("__start_set_vnet")->st_shndx = SHN_ABS;
	bare_is_refused("`__start_set_vnet': not in a section");
	fresh();
	symbol("__start_set_vnet")->st_value = 0;
	bare_is_refused("not in one segment");
	fresh();
	symbol("__start_set_vnet")->st_value = symbol("sets_sum")->st_value;
	symbol("__stop_set_vnet")->st_value = symbol("sets_sum")->st_value + 8;
	bare_is_refused("not in a segment of variables");
	fresh();
	symbol("__start_set_pcpu")->st_value = symbol("__start_set_vnet")->st_value;
	bare_is_refused("set_pcpu");
	fresh();
	symbol("__start_set_vnet")->st_value = dynamic_segment()->p_vaddr;
	symbol("__stop_set_vnet")->st_value = dynamic_segment()->p_vaddr + 16;
	bare_is_refused("overlaps what the loader has there");
	/* Half of a variable; a metadata record that is not whole. */
	fresh();
	symbol("__stop_set_vnet")->st_value = symbol("vnet_entry_s_array")->st_value + 2;
	bare_is_refused("set_vnet");
	fresh();
	symbol("__stop_set_modmetadata_set")->st_value -= 1;
	bare_is_refused("set_modmetadata_set: not a whole number of pointers");
	fresh();
	symbol("s_offset")->st_name = symbol("__start_set_vnet")->st_name;
	bare_is_refused("defined twice");
	fresh();
	symbol("__start_set_modmetadata_set")->st_value = symbol("__start_set_vnet")->st_value;
	symbol("__stop_set_modmetadata_set")->st_value = symbol("__stop_set_vnet")->st_value;
	bare_is_refused("overlaps another set");
}

static void
headers_that_are_not_there_may_be_anywhere(void **state)
{
	(void)state;
	read_bare("sets-shared-ld-symbolic")->e_shoff = UINTPTR_MAX;
	sets_of(write_bare("nowhere"));
}

static void
truncated_at_every_length(void **state)
{
	const ElfW(Ehdr) *eh = read_bare("steps-shared");
	const ElfW(Phdr) *ph = (void *)(image + eh->e_phoff);
	size_t end = 0;
	char path[300];

	(void)state;
	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset + ph[i].p_filesz > end)
			end = ph[i].p_offset + ph[i].p_filesz;
	size = end;
	snprintf(path, sizeof(path), "%s", module_path(write_bare("truncated")));
	path[strlen(path) - strlen(".ko")] = '\0';
	unload(load(path));
	for (size_t n = end; n-- > 0;) {
		assert_int_equal(truncate(module_path(path), (off_t)n), 0);
		assert_refused(module_path(path), ENOEXEC, "truncated.ko");
	}
}

static int
setup(void **state)
{
	return (mkdtemp(folder) == NULL ? -1 : kld_test_setup(state));
}

static int
teardown(void **state)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while ((e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	rmdir(folder);
	return (kld_test_teardown(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_are_right),
		cmocka_unit_test(another_uses_its_variables),
		cmocka_unit_test(constructors_run),
		cmocka_unit_test(it_is_described),
		cmocka_unit_test(who_does_not_say_where_its_sets_are),
		cmocka_unit_test(ranges_that_no_linker_makes),
		cmocka_unit_test(headers_that_are_not_there_may_be_anywhere),
		cmocka_unit_test(truncated_at_every_length),
	};

	return (cmocka_run_group_tests_name("kld-bare", tests, setup, teardown));
}
