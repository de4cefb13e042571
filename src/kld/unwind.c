/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backtraces through modules: the unwinder is told of a module's .eh_frame.
 *
 * It believes what it reads there, at once or in the middle of a backtrace.  So the chain of records is walked
 * first: each within the section, each frame's record pointing back to the start of a common one.
 *
 * 32-bit ARM has .ARM.exidx instead, and an unwinder that finds those of the loader's files only: there a backtrace
 * ends at the first frame of a module.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kld_impl.h"

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (v);
}

/* Whether a common record (its id is 0) begins at `at`; the caller has walked all records before. */
static int
is_common(const uint8_t *p, size_t before, size_t at)
{
	size_t i = 0;

	while (i < at)
		i += 4 + get32(p + i);
	return (i == at && at < before && get32(p + at + 4) == 0);
}

/* The offset of the first record that is wrong, or `size`. */
static size_t
check_records(const uint8_t *p, size_t size)
{
	size_t at = 0, common = SIZE_MAX;

	while (at < size) {
		uint32_t length, id;

		if (size - at < 4)
			return (at);
		length = get32(p + at);
		if (length == 0)	/* the end, wherever it is */
			return (size);
		if (length > size - at - 4 || length < 8)
			return (at);
		id = get32(p + at + 4);
		if (id == 0)
			common = at;
		else if (id > at + 4 || (at + 4 - id != common && !is_common(p, at, at + 4 - id)))
			return (at);
		at += 4 + length;
	}
	return (size);
}

/*
 * The unwinder reads on until a zero word.  Behind a relocatable object's records is one (layout.c); in a shared
 * object there may be none, and then it must not be told.
 */
static int
is_ended(const struct kld_image *image, const uint8_t *stage, size_t start, size_t end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), at = start;

	if (!image->obj->is_dyn)
		return (1);
	while (at < end && get32(stage + at) != 0)
		at += 4 + get32(stage + at);
	if (at < end)
		return (1);
	return (end + 4 <= image->part[PART_DATA].filled && get32(stage + end) == 0 &&
	    (kld_dyn_rights(image, end & ~(page - 1), page) & PROT_WRITE) == 0);
}

int
kld_unwind_register(struct linker_file *file, const struct kld_image *image, struct uverr *err)
{
	enum kld_partno part;
	size_t start, end, wrong;
	int found;

	found = kld_section_bounds(image, ".eh_frame", &part, &start, &end);
	if (found < 0)
		return (uverr(err, ENOEXEC, "%s: .eh_frame: more than one: join the module's objects with ld -r",
		    file->name));
	if (found == 0 || start == end || kld_register_frame == NULL)
		return (0);
	wrong = end > image->part[part].filled ? 0 :
	    check_records(image->part[part].stage + start, end - start);
	if (wrong != end - start)
		return (uverr(err, ENOEXEC, "%s: .eh_frame+%#zx: a broken record", file->name, wrong));
	if (!is_ended(image, image->part[part].stage, start, end))
		return (0);
	file->eh_frame = (void *)(image->part[part].addr + start);
	kld_register_frame(file->eh_frame);
	return (0);
}

void
kld_unwind_deregister(struct linker_file *file)
{
	if (file->eh_frame != NULL)
		kld_deregister_frame(file->eh_frame);
	file->eh_frame = NULL;
}
