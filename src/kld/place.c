/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From staging buffers to memory.
 *
 *	module space:	| text r-x | read-only r-- | data rw- | guard --- |
 *
 * The image is written to a memory file and mapped from there, each part with the rights that it keeps: no page is
 * ever writable and executable, and the file is sealed before the first mapping, so that nobody can write to
 * the code by another way.  The guard page catches what runs off the data's end.
 *
 * A set's part goes into the set's template instead, and from there into all instances.  Before that, nothing of
 * the module can be seen by anybody; after it, nothing of it has run.
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

static const struct {
	enum kld_partno part;
	enum vset_space space;
} set_place[SET_COUNT] = {
	[SET_VNET] = { PART_VNET, VSET_SPACE_VNET },
	[SET_PCPU] = { PART_PCPU, VSET_SPACE_PCPU },
};

static const int protection[] = {
	[PART_TEXT] = PROT_READ | PROT_EXEC,
	[PART_RO] = PROT_READ,
	[PART_DATA] = PROT_READ | PROT_WRITE,
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
	size_t offset[PART_DATA + 1], page = page_size(), align = page, end = 0;
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
	}
	for (unsigned k = 0; k <= PART_DATA; k++)
		image->part[k].addr = file->addr + offset[k];

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
		if (file->set[k].size != 0)
			vset_space_free(set_place[k].space, file->set[k].addr, file->set[k].size);
		file->set[k] = (struct kld_setpart) { 0 };
	}
	if (file->space != 0)
		vset_space_free(VSET_SPACE_MODULE, file->addr, file->space);
	file->addr = file->size = file->space = 0;
}

/* ---- Mapping ---- */

static int
write_all(int fd, const uint8_t *p, size_t n, off_t at)
{
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

static int
write_image(int fd, const struct linker_file *file, const struct kld_image *image)
{
	int error = 0;

	if (ftruncate(fd, (off_t)file->size) != 0)
		return (-errno);
	for (unsigned k = 0; k <= PART_DATA && error == 0; k++)
		error = write_all(fd, image->part[k].stage, image->part[k].filled, image->part[k].addr - file->addr);
	if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		error = -errno;
	return (error);
}

static int
map_parts(int fd, const struct linker_file *file, const struct kld_image *image)
{
	size_t page = page_size();

	for (unsigned k = 0; k <= PART_DATA; k++) {
		const struct kld_part *part = &image->part[k];

		if (part->size == 0)
			continue;
		if (mmap((void *)part->addr, round_up(part->size, page), protection[k], MAP_PRIVATE | MAP_FIXED, fd,
		    part->addr - file->addr) == MAP_FAILED)
			return (-errno);
	}
	__builtin___clear_cache((void *)image->part[PART_TEXT].addr,
	    (void *)(image->part[PART_TEXT].addr + image->part[PART_TEXT].size));
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
	int error = 0, fd;

	if (file->size != 0) {
		fd = open_memory(file->name);
		if (fd < 0)
			return (uverr(err, errno, "%s: memfd_create: %s", file->name, strerror(errno)));
		error = write_image(fd, file, image);
		if (error == 0)
			error = map_parts(fd, file, image);
		close(fd);
		if (error != 0)
			return (uverr(err, -error, "%s: mapping its image: %s", file->name, strerror(-error)));
	}
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
		error = vset_region_add(kld_vset(k), file->name, set->addr, set->size, set->align, rebase[k].place,
		    rebase[k].n, &set->region, err);
		if (error != 0) {
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
		if (file->set[k].region != NULL)
			vset_region_remove(kld_vset(k), file->set[k].region);
		file->set[k].region = NULL;
	}
}
