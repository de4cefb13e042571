/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perf sees modules: a line "START SIZE name" for each function in /tmp/perf-PID.map, where perf report looks for names
 * of code that comes from no file (Linux, tools/perf/Documentation/jit-interface.txt).
 *
 * The file is for a report that may come after the end of the process, so nobody removes it; so it is only
 * written when asked for.  A line stays when its module goes: samples of that time want it.
 *
 * The name is predictable and in a folder of everybody's: a file of that name is replaced, never followed or
 * opened.  perf itself believes only a file of its user's or root's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kld_impl.h"

static FILE *map;

void
kld_perfmap_add(const struct linker_file *file)
{
	const struct kld_symtab *tab = &file->symtab;

	if (map == NULL || tab->hash == NULL)	/* the program is in its own file */
		return;
	for (unsigned i = 1; i < tab->nsym; i++)
		if (KLD_ST_TYPE(tab->sym[i].st_info) == STT_FUNC && tab->sym[i].st_size != 0 &&
		    tab->sym[i].st_shndx != SHN_UNDEF)
			fprintf(map, "%jx %jx %s [%s]\n", (uintmax_t)tab->sym[i].st_value, (uintmax_t)tab->sym[i].st_size,
			    tab->str + tab->sym[i].st_name, file->name);
	fflush(map);
}

int
kld_perfmap(struct uverr *err)
{
	const struct linker_file *f;
	char path[64];
	int error, fd;

	if (map != NULL)
		return (0);
	snprintf(path, sizeof(path), "/tmp/perf-%ld.map", (long)getpid());
	if (unlink(path) != 0 && errno != ENOENT)
		return (uverr(err, errno, "%s: an old one cannot be removed: %s", path, strerror(errno)));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	map = fdopen(fd, "w");
	if (map == NULL) {
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
		close(fd);
		return (error);
	}
	TAILQ_FOREACH (f, &kld_files, link)
		kld_perfmap_add(f);
	return (0);
}
