/* SPDX-License-Identifier: BSD-2-Clause */
/* What is broken, or cannot be right, is refused with the reason; nothing of it stays. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kld-test.h"

static char scratch[] = "/tmp/test-kld-XXXXXX";
static uint8_t image[1 << 20];
static size_t size;

static void
read_module(const char *name)
{
	FILE *f = fopen(module_path(name), "rb");

	assert_non_null(f);
	size = fread(image, 1, sizeof(image), f);
	fclose(f);
	assert_true(size != 0 && size < sizeof(image));
}

static void
write_scratch(const void *data, size_t n)
{
	FILE *f = fopen(scratch, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

static void
patched_is_refused(const char *sentence)
{
	write_scratch(image, size);
	assert_refused(scratch, ENOEXEC, sentence);
}

static void
what_is_no_module(void **state)
{
	(void)state;
	assert_refused("/nonexistent/module.ko", ENOENT, "/nonexistent/module.ko: No such file");
	assert_refused("/tmp", ENOEXEC, "not a regular file");
	assert_refused("/dev/null", ENOEXEC, "not a regular file");
	assert_refused("/proc/self/exe", ENOEXEC, "link the module with ld -r");
	write_scratch("#!/bin/sh\nexit 0\n", 17);
	assert_refused(scratch, ENOEXEC, "not an ELF file");
	write_scratch("", 0);
	assert_refused(scratch, ENOEXEC, "not an ELF file");
}

static void
truncated_at_every_length(void **state)
{
	(void)state;
	read_module("outside");
	write_scratch(image, size);
	for (size_t n = size; n-- > 0;) {
		assert_int_equal(truncate(scratch, (off_t)n), 0);
		assert_refused(scratch, ENOEXEC, strrchr(scratch, '/') + 1);
	}
}

static void
shared_objects_truncated_at_every_length(void **state)
{
	(void)state;
	read_module("user-shared");
	write_scratch(image, size);
	for (size_t n = size; n-- > 0;) {
		assert_int_equal(truncate(scratch, (off_t)n), 0);
		assert_refused(scratch, ENOEXEC, strrchr(scratch, '/') + 1);
	}
}

static void
what_shared_objects_cannot_be(void **state)
{
	(void)state;
	assert_refused(module_path("unknown-shared"), ENOENT, "unknown symbol `no_such_function'");
	assert_refused(module_path("tls-shared"), ENOEXEC, "cannot define thread-locals");
	assert_refused(module_path("ifunc-shared"), ENOEXEC, "indirect function");
	assert_refused(module_path("libtls-shared"), ENOEXEC, "`errno' is a thread-local, but not one of the program itself");
	assert_refused(module_path("end-shared"), ENOEXEC, "points to the end of set_vnet or to what comes behind it");
}

static void
what_this_linker_does_not_do(void **state)
{
	(void)state;
	assert_refused(module_path("unknown"), ENOENT, "unknown symbol `no_such_function'");
	assert_refused(module_path("common"), ENOEXEC, "compile with -fno-common");
	assert_refused(module_path("tls"), ENOEXEC, "cannot define thread-locals");
	assert_refused(module_path("ifunc"), ENOEXEC, "indirect function");
	assert_refused(module_path("libtls"), ENOEXEC, "`errno' is a thread-local, but not one of the program itself");
#ifndef LOADS_NOPIC
	assert_refused(module_path("sets-nopic"), ENOEXEC, "compile with -fPIC");
#endif
	assert_refused(module_path("distance"), ENOEXEC, "every copy would be wrong");
	assert_refused(module_path("rseq"), ENOEXEC, "__rseq_cs");
	assert_refused(module_path("rseq-shared"), ENOEXEC, "__rseq_cs");
	assert_refused(module_path("rseq"), ENOEXEC, "restartable sequences of its own");
	assert_refused(module_path("crash"), ENOEXEC, "set_modmetadata_set+0: does not point to a metadata record");
}

static void
what_does_not_fit(void **state)
{
	(void)state;
	assert_refused(module_path("toobig"), ENOSPC, "toobig.ko: set_vnet: 8388608 bytes do not fit");
	assert_refused(module_path("huge"), ENOSPC, "huge.ko: module space: ");
}

/* ---- A patched module ---- */

static const char *patched = "sets";

static ElfW(Ehdr) *
header(void)
{
	read_module(patched);
	return ((void *)image);
}

static ElfW(Shdr) *
section(const char *name)
{
	ElfW(Ehdr) *eh = header();
	ElfW(Shdr) *sh = (void *)(image + eh->e_shoff);

	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (strcmp((char *)image + sh[eh->e_shstrndx].sh_offset + sh[i].sh_name, name) == 0)
			return (&sh[i]);
	fail_msg("no section %s", name);
	return (NULL);
}

static void
broken_headers(void **state)
{
	(void)state;
	header()->e_machine = EM_68K;
	patched_is_refused("made for another machine");
	header()->e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	patched_is_refused("made for another machine");
	header()->e_shoff += 8;
	patched_is_refused("outside the file");
	header()->e_shoff = UINTPTR_MAX & ~(uintptr_t)15;
	patched_is_refused("outside the file");
	header()->e_shoff += 1;
	patched_is_refused("not aligned");
	header()->e_shnum = 0xfeff;
	patched_is_refused("outside the file");
	header()->e_shnum = 0;
	patched_is_refused("no sections");
	header()->e_shentsize = 8;
	patched_is_refused("section header");
	header()->e_shstrndx = 0xffff;
	patched_is_refused("no string table");
	header()->e_shstrndx = 1;
	patched_is_refused("not a string table");
}

static void
broken_sections(void **state)
{
	ElfW(Sym) *sym;

	(void)state;
	section(".text")->sh_offset = UINTPTR_MAX;
	patched_is_refused("section .text");
	section(".text")->sh_size = UINTPTR_MAX - 64;
	patched_is_refused("section .text");
	section(".text")->sh_addralign = 3;
	patched_is_refused("alignment 0x3 is not a power of two");
	section(".text")->sh_addralign = (uintptr_t)1 << 31;
	patched_is_refused("alignment");
	section(".text")->sh_flags |= SHF_WRITE;
	patched_is_refused("writable and executable");
	section(".text")->sh_name = 0xfffffff;
	patched_is_refused("its name lies outside");
	section(".text")->sh_type = 0x6fff1234;
	patched_is_refused("unknown type 0x6fff1234");
	section("set_vnet")->sh_flags |= SHF_TLS;
	patched_is_refused("thread-locals");
	section(".symtab")->sh_entsize = 7;
	patched_is_refused("not a table of symbols");
	section(".symtab")->sh_link = 0;
	patched_is_refused("no string table");
	section(".symtab")->sh_info = 0xffff;
	patched_is_refused("more local symbols than symbols");
	section(".symtab")->sh_type = SHT_PROGBITS;
	patched_is_refused("no symbol table");
	section(RELOCATIONS ".text")->sh_info = 0xff;
	patched_is_refused("a section that does not exist");
	section(RELOCATIONS ".text")->sh_link = 1;
	patched_is_refused("not a table of relocations");
	section("set_vnet")->sh_addralign = 4096;
	write_scratch(image, size);
	assert_refused(scratch, EINVAL, "alignment of 4096");
	sym = (void *)(image + section(".symtab")->sh_offset);
	sym[1].st_name = 0xfffffff;
	patched_is_refused("its name lies outside");
	sym = (void *)(image + section(".symtab")->sh_offset);
	sym[section(".symtab")->sh_info].st_info = 0;
	patched_is_refused("a local symbol among the global ones");
}

static void
broken_relocations(void **state)
{
	relocation_t *r;

	(void)state;
	r = (void *)(image + section(RELOCATIONS ".text")->sh_offset);
	r[3].r_info = R_INFO(1, 250);
	patched_is_refused("relocation type 250");
	r = (void *)(image + section(RELOCATIONS ".text")->sh_offset);
	r[3].r_offset = section(".text")->sh_size - 3;		/* the last byte of four is outside */
	patched_is_refused("lies outside .text");
	r = (void *)(image + section(RELOCATIONS ".text")->sh_offset);
	r[3].r_offset = UINTPTR_MAX;
	patched_is_refused("lies outside .text");
	r = (void *)(image + section(RELOCATIONS ".text")->sh_offset);
	r[3].r_info |= R_INFO(0xffffff, 0);
	patched_is_refused("relocation against symbol 16777215");
#ifdef FAR_DISTANCE	/* 32 bits reach everything, and ARM has other frames */
	r = (void *)(image + section(RELOCATIONS ".eh_frame")->sh_offset);
	r[0].r_addend = (ElfW(Sxword))1 << 40;
	patched_is_refused(FAR_DISTANCE);
	image[section(".eh_frame")->sh_offset + 3] = 0x7f;
	patched_is_refused(".eh_frame+0: a broken record");
#endif
}

/* The first program header of a type, of a fresh copy. */
static ElfW(Phdr) *
segment(unsigned type)
{
	ElfW(Ehdr) *eh = header();
	ElfW(Phdr) *ph = (void *)(image + eh->e_phoff);

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == type)
			return (&ph[i]);
	fail_msg("no segment of type %u", type);
	return (NULL);
}

static ElfW(Dyn) *
dynamic(ElfW(Sxword) tag)
{
	ElfW(Dyn) *d = (void *)(image + segment(PT_DYNAMIC)->p_offset);

	while (d->d_tag != tag && d->d_tag != DT_NULL)
		d++;
	assert_int_equal(d->d_tag, tag);
	return (d);
}

static void
broken_shared_objects(void **state)
{
	relocation_t *r;

	(void)state;
	patched = "sets-shared-ld-symbolic";
	header()->e_phoff = UINTPTR_MAX & ~(uintptr_t)15;
	patched_is_refused("the program headers lie outside the file");
	header()->e_phnum = 0xfeff;
	patched_is_refused("the program headers lie outside the file");
	segment(PT_LOAD)->p_offset = UINTPTR_MAX;
	patched_is_refused("lies outside the file");
	segment(PT_LOAD)->p_memsz = 1;
	patched_is_refused("more bytes in the file than in memory");
	segment(PT_LOAD)->p_vaddr = (uintptr_t)3 << 30;
	patched_is_refused("beyond any module space");
	segment(PT_LOAD)->p_memsz += 1 << 20;
	patched_is_refused("overlaps the one before");
	segment(PT_LOAD)->p_flags = PF_R | PF_W | PF_X;
	patched_is_refused("writable and executable at once");
	segment(PT_LOAD)->p_align = 3;
	patched_is_refused("alignment");
	segment(PT_DYNAMIC)->p_type = PT_NULL;
	patched_is_refused("without its dynamic segment");
	segment(PT_DYNAMIC)->p_offset = (uintptr_t)3 << 30;
	patched_is_refused("lies outside the file");
	dynamic(DT_SYMTAB)->d_un.d_ptr = 0xfffff8;
	patched_is_refused("no table of symbols");
	dynamic(DT_STRSZ)->d_un.d_val = 0;
	patched_is_refused("no string table");
	dynamic(DT_STRTAB)->d_un.d_ptr = UINTPTR_MAX;
	patched_is_refused("no string table");
	dynamic(DYN_RELSZ)->d_un.d_val = 0xffffff00;
	patched_is_refused("not a table in a segment");
	dynamic(DYN_RELSZ)->d_un.d_val++;
	patched_is_refused("not a table in a segment");
	dynamic(DT_PLTREL)->d_un.d_val = DYN_OTHER;
	patched_is_refused("addends");
	r = (void *)(image + section(RELOCATIONS ".dyn")->sh_offset);
	r[0].r_info = R_DYN(IRELATIVE);
	patched_is_refused("an indirect function");
	r[0].r_info = 250;
	patched_is_refused("dynamic relocation type 250");
	r[0].r_info = R_DYN_TPOFF;
	patched_is_refused("cannot define thread-locals");
	r[0].r_info = R_DYN(COPY);
	patched_is_refused("not one that is known");
	r = (void *)(image + section(RELOCATIONS ".dyn")->sh_offset);
	r[0].r_offset = UINTPTR_MAX - 3;
	patched_is_refused("a relocation of nothing in a segment");
	r = (void *)(image + section(RELOCATIONS ".dyn")->sh_offset);
	r[0].r_info = R_INFO(0xffffff, R_DYN_WORD);
	patched_is_refused("relocation against symbol 16777215");
	section("set_vnet")->sh_addr += 1 << 20;
	patched_is_refused("section set_vnet (");
#ifdef FAR_DISTANCE
	image[section(".eh_frame")->sh_offset + 3] = 0x7f;
	patched_is_refused(".eh_frame+0: a broken record");
#endif
	patched = "sets";
}

static int
setup(void **state)
{
	int fd = mkstemp(scratch);

	if (fd < 0)
		return (-1);
	close(fd);
	return (kld_test_setup(state));
}

static int
teardown(void **state)
{
	unlink(scratch);
	return (kld_test_teardown(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_module),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(what_this_linker_does_not_do),
		cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(broken_headers),
		cmocka_unit_test(broken_sections),
		cmocka_unit_test(broken_relocations),
		cmocka_unit_test(shared_objects_truncated_at_every_length),
		cmocka_unit_test(what_shared_objects_cannot_be),
		cmocka_unit_test(broken_shared_objects),
	};

	return (cmocka_run_group_tests_name("kld-refuse", tests, setup, teardown));
}
