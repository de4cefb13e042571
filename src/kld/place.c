/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From addresses to memory.
 *
 *	module space:	| text r-x | read-only r-- | data rw- | guard --- |
 *
 * The module's pages are anonymous memory, writable while the image is relocated in them and not executable; then
 * each part gets the rights that it keeps.  No page is ever writable and executable.  (Anonymous, because perf looks
 * into its map of names only for code that comes from no file.)  Where the system forbids that memory which was
 * writable becomes executable (PR_SET_MDWE, systemd's MemoryDenyWriteExecute=), the text is copied into a sealed
 * memory file and mapped from there.  The guard page catches what runs off the data's end.  The pages of text and
 * constants, which every module fills, are kept for the next one (vset_space_free_keep()).
 *
 * A set's part is relocated in a buffer and copied into the set's template, and from there into all instances.  Before
 * that, nothing of the module can be seen by anybody; after it, nothing of it has run.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U	/* Linux 6.3 */
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23	/* Linux 5.14 */
#endif

static const struct {
	enum kld_partno part;
	enum vset_space space;
} set_place[SET_COUNT] = {
	[SET_VNET] = { PART_VNET, VSET_SPACE_VNET },
	[SET_PCPU] = { PART_PCPU, VSET_SPACE_PCPU },
};

struct vset *
kld_vset(enum kld_set set)
{
	return (set == SET_VNET ? vnet_vset : dpcpu_vset);
}

static size_t
round_up(size_t n, size_t to)
{
	return ((n + to - 1) & ~(to - 1));
}

static size_t
page_size(void)
{
	return ((size_t)sysconf(_SC_PAGESIZE));
}

int
kld_place(struct linker_file *file, struct kld_image *image, struct uverr *err)
{
	size_t offset[PART_DATA + 1], page = page_size(), align = page, end = 0, ready, filled;
	int error;

	for (unsigned k = 0; k <= PART_DATA; k++) {
		size_t a = image->part[k].align > page ? image->part[k].align : page;

		offset[k] = round_up(end, a);
		end = offset[k] + round_up(image->part[k].size, page);
		align = a > align ? a : align;
	}
	if (end != 0) {
		error = vset_space_alloc(VSET_SPACE_MODULE, end + page, align, &file->addr, err);
		if (error != 0)
			goto fail;
		file->size = end;
		file->space = end + page;
		/* Reserved as anonymous memory that nobody could touch: so it is zero. */
		if (mprotect((void *)file->addr, end, PROT_READ | PROT_WRITE) != 0) {
			error = uverr(err, errno, "%zu bytes of memory: %s", end, strerror(errno));
			goto fail;
		}
		/*
		 * All pages at once instead of a fault each; advice, and older kernels do not know it.  Not data, of which
		 * pages of zeros are never written (reloc.c).
		 */
		ready = vset_space_clean(file->addr, end);
		filled = file->keep = image->obj->is_dyn ? kld_dyn_constant(image, page) : offset[PART_DATA];
		if (ready < filled)
			madvise((void *)(file->addr + ready), filled - ready, MADV_POPULATE_WRITE);
	}
	for (unsigned k = 0; k <= PART_DATA; k++) {
		image->part[k].addr = file->addr + offset[k];
		image->part[k].stage = (uint8_t *)image->part[k].addr;
	}

	for (unsigned k = 0; k < SET_COUNT; k++) {
		struct kld_part *part = &image->part[set_place[k].part];

		if (part->size == 0)
			continue;
		error = vset_space_alloc(set_place[k].space, part->size, part->align, &part->addr, err);
		if (error != 0)
			goto fail;
		file->set[k].addr = part->addr;
		file->set[k].size = part->size;
		file->set[k].align = part->align;
	}
	for (unsigned k = 0; k < SET_COUNT; k++)
		if (image->set[k].size != 0)
			file->set[k] = (struct kld_setpart) {
				.addr = image->part[PART_DATA].addr + image->set[k].start, .size = image->set[k].size,
				.align = image->set[k].align, .inside = 1
			};
	return (0);

fail:
	uverr_prefix(err, "%s", file->name);
	kld_unplace(file);
	return (error);
}

void
kld_unplace(struct linker_file *file)
{
	for (unsigned k = SET_COUNT; k-- > 0;) {
		assert(file->set[k].region == NULL);
		if (file->set[k].size != 0 && !file->set[k].inside)
			vset_space_free(set_place[k].space, file->set[k].addr, file->set[k].size);
		file->set[k] = (struct kld_setpart) { 0 };
	}
	if (file->space != 0)
		vset_space_free_keep(file->addr, file->space, file->keep);
	file->addr = file->size = file->space = file->keep = 0;
}

/* ---- Rights ---- */

static int
write_all(int fd, const uint8_t *p, size_t n)
{
	off_t at = 0;

	while (n != 0) {
		ssize_t did = pwrite(fd, p, n, at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return (did < 0 ? -errno : -EIO);
		p += did;
		at += did;
		n -= (size_t)did;
	}
	return (0);
}

static int
open_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return (fd);
}

/* Replace pages by a mapping of a sealed file with the same content. */
static int
map_from_file(const char *name, uintptr_t addr, size_t size)
{
	int error, fd;

	fd = open_memory(name);
	if (fd < 0)
		return (-errno);
	error = write_all(fd, (const uint8_t *)addr, size);
	if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		error = -errno;
	if (error == 0 && mmap((void *)addr, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		error = -errno;
	close(fd);
	return (error);
}

static int
make_executable(struct linker_file *file, uintptr_t addr, size_t size)
{
	int error;

	if (mprotect((void *)addr, size, PROT_READ | PROT_EXEC) != 0) {
		file->keep = 0;		/* no memory that could be written again */
		error = map_from_file(file->name, addr, size);
		if (error != 0)
			return (error);
	}
	__builtin___clear_cache((void *)addr, (void *)(addr + size));
	return (0);
}

/* A shared object's pages, run by run of the same rights. */
static int
protect_image(struct linker_file *file, const struct kld_image *image)
{
	const struct kld_part *whole = &image->part[PART_DATA];
	size_t page = page_size(), end;
	int error, prot;

	for (size_t at = 0; at < whole->size; at = end) {
		prot = kld_dyn_rights(image, at, page);
		for (end = at + page; end < whole->size && kld_dyn_rights(image, end, page) == prot; end += page)
			continue;
		if ((prot & PROT_WRITE) != 0 && (prot & PROT_EXEC) != 0)
			return (-ENOEXEC);
		if ((prot & PROT_EXEC) != 0)
			error = make_executable(file, whole->addr + at, end - at);
		else if (prot == (PROT_READ | PROT_WRITE))
			error = 0;	/* it has them */
		else
			error = mprotect((void *)(whole->addr + at), end - at, prot) != 0 ? -errno : 0;
		if (error != 0)
			return (error);
	}
	return (0);
}

static int
protect_parts(struct linker_file *file, const struct kld_image *image)
{
	const struct kld_part *text = &image->part[PART_TEXT], *ro = &image->part[PART_RO];
	size_t page = page_size();
	int error;

	if (image->obj->is_dyn)
		return (protect_image(file, image));
	if (text->size != 0) {
		error = make_executable(file, text->addr, round_up(text->size, page));
		if (error != 0)
			return (error);
	}
	if (ro->size != 0 && mprotect((void *)ro->addr, round_up(ro->size, page), PROT_READ) != 0)
		return (-errno);
	return (0);
}

static int
fill_template(const struct kld_part *part, struct uverr *err)
{
	int error;

	if (part->size == 0)
		return (0);
	error = vset_template_open(part->addr, part->size, err);
	if (error != 0)
		return (error);
	memcpy((void *)part->addr, part->stage, part->filled);
	memset((void *)(part->addr + part->filled), 0, part->size - part->filled);
	vset_template_close(part->addr, part->size);
	return (0);
}

int
kld_map(struct linker_file *file, struct kld_image *image, struct uverr *err)
{
	int error = 0;

	if (file->size != 0)
		error = protect_parts(file, image);
	if (error != 0)
		return (uverr(err, -error, "%s: the rights of its memory: %s", file->name, strerror(-error)));
	for (unsigned k = 0; k < SET_COUNT && error == 0; k++)
		error = fill_template(&image->part[set_place[k].part], err);
	if (error != 0)
		uverr_prefix(err, "%s", file->name);
	return (error);
}

/* ---- Instances ---- */

int
kld_sets_attach(struct linker_file *file, const struct kld_rebase rebase[SET_COUNT], struct uverr *err)
{
	int error;

	for (unsigned k = 0; k < SET_COUNT; k++) {
		struct kld_setpart *set = &file->set[k];

		if (set->size == 0)
			continue;
		if (kld_gaps_poison(file, set) != 0)
			error = uverr(err, ENOMEM, "%s: out of memory", file->name);
		else
			error = vset_region_add(kld_vset(k), file->name, set->addr, set->size, set->align,
			    rebase[k].place, rebase[k].n, &set->region, err);
		if (error != 0) {
			kld_gaps_unpoison(set);
			set->region = NULL;
			kld_sets_detach(file);
			return (error);
		}
	}
	return (0);
}

void
kld_sets_detach(struct linker_file *file)
{
	for (unsigned k = SET_COUNT; k-- > 0;) {
		if (file->set[k].region != NULL) {
			vset_region_remove(kld_vset(k), file->set[k].region);
			kld_gaps_unpoison(&file->set[k]);
		}
		file->set[k].region = NULL;
	}
}
