/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gdb sees modules: breakpoints by name, source lines, backtraces.
 *
 * gdb's JIT interface (its manual, "JIT Interface"): a list of object files in the program's memory, and a function
 * that does nothing, at which gdb stops when the list changes; attaching later it reads the list.  What we give it
 * is the module's own file as it was read, debug information included, with one thing filled in: where each section
 * lies.  gdb does the rest, relocating the debug information itself.  A module is registered once, however many stacks
 * it serves: its variables are shown as the template has them, and `vnet print STACK VARIABLE`
 * (scripts/vnet-gdb.py) shows a stack's.
 *
 * A shared object's debug information holds addresses that are final but for one distance, of which the interface
 * knows nothing; it comes in a wrapper that makes gdb move it (minidebug.c).  Without section headers there is none.
 *
 * The names below are gdb's.  A compiler library in the same process may have them too; then the program's win.
 */
#include <string.h>

#include "kld_impl.h"

enum { JIT_NOACTION, JIT_REGISTER_FN, JIT_UNREGISTER_FN };

struct jit_descriptor {
	uint32_t version, action_flag;
	struct kld_debug_entry *relevant_entry, *first_entry;
};

void __jit_debug_register_code(void);
extern struct jit_descriptor __jit_debug_descriptor;

struct jit_descriptor __jit_debug_descriptor = { .version = 1 };

__attribute__((noinline)) void
__jit_debug_register_code(void)
{
	__asm__ volatile("" ::: "memory");	/* a call must remain */
}

static void
tell(struct kld_debug_entry *entry, uint32_t action)
{
	__jit_debug_descriptor.relevant_entry = entry;
	__jit_debug_descriptor.action_flag = action;
	__jit_debug_register_code();
	__jit_debug_descriptor.relevant_entry = NULL;
	__jit_debug_descriptor.action_flag = JIT_NOACTION;
}

static void
announce(struct kld_debug_entry *e)
{
	e->next = __jit_debug_descriptor.first_entry;
	if (e->next != NULL)
		e->next->prev = e;
	__jit_debug_descriptor.first_entry = e;
	tell(e, JIT_REGISTER_FN);
}

static void
forget(struct kld_debug_entry *e)
{
	if (e->next != NULL)
		e->next->prev = e->prev;
	if (e->prev != NULL)
		e->prev->next = e->next;
	else
		__jit_debug_descriptor.first_entry = e->next;
	tell(e, JIT_UNREGISTER_FN);
}

void
kld_debugger_register(struct linker_file *file, const struct kld_image *image)
{
	const struct elf_obj *obj = image->obj;
	ElfW(Shdr) *sh = (void *)(file->data + ((const ElfW(Ehdr) *)(void *)file->data)->e_shoff);
	struct kld_debug_entry *e = &file->debug;
	size_t size = 0;

	if (obj->is_dyn) {
		file->debugfile = obj->is_bare ? NULL : kld_minidebug_make(image, &size);
		if (file->debugfile == NULL)
			return;
		*e = (struct kld_debug_entry) { .symfile = file->debugfile, .symfile_size = size };
		announce(e);
		return;
	}
	for (unsigned i = 1; i < obj->nshdr; i++)
		if (image->sec[i].part != PART_NONE)
			sh[i].sh_addr = image->part[image->sec[i].part].addr + image->sec[i].offset;
	*e = (struct kld_debug_entry) { .symfile = file->data, .symfile_size = file->datasize };
	announce(e);
}

void
kld_debugger_forget(struct linker_file *file)
{
	if (file->debug.symfile != NULL)
		forget(&file->debug);
}

/*
 * gdb (13) leaves its breakpoints in a module that is forgotten, and when the next module comes to the same
 * addresses believes that they are still in its code.  That something comes, whatever it is, while nothing is there,
 * makes it look.
 */
void
kld_debugger_settle(void)
{
	static struct {
		ElfW(Ehdr) eh;
		ElfW(Shdr) sh[2];
		char name[16];
	} nothing = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, KLD_ELFCLASS,
			    __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT },
			.e_type = ET_REL, .e_version = EV_CURRENT, .e_ehsize = sizeof(ElfW(Ehdr)),
			.e_shoff = sizeof(ElfW(Ehdr)), .e_shentsize = sizeof(ElfW(Shdr)), .e_shnum = 2, .e_shstrndx = 1,
		},
		.sh[1] = {
			.sh_name = 1, .sh_type = SHT_STRTAB, .sh_addralign = 1,
			.sh_offset = sizeof(nothing.eh) + sizeof(nothing.sh), .sh_size = sizeof(nothing.name),
		},
		.name = "\0.shstrtab",
	};
	struct kld_debug_entry e = { .symfile = &nothing, .symfile_size = sizeof(nothing) };

	nothing.eh.e_machine = kld_arch_machine;
	announce(&e);
	forget(&e);
}
