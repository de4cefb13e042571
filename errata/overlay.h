/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about notices that no field of theirs holds: ours (overlay.json, part of the program) and the user's. */
#ifndef ERRATA_OVERLAY_H
#define ERRATA_OVERLAY_H

#include "text.h"

struct overlay_fact {
	const char *id;
	const char **archs;		/* the only architectures concerned; none: all */
	size_t narchs;
	const char *component;		/* "kernel", "user", or "" */
	const char *why;		/* where that stands */
	const char *note;		/* "" or more to know */
};

struct overlay;
/* Ours, and those of the file (may be NULL), which win. */
int overlay_load(struct overlay **o, const char *path, struct uverr *err);
void overlay_free(struct overlay *o);
const struct overlay_fact *overlay_find(const struct overlay *o, const char *id);

/* One name for an architecture that has several: arm64 is aarch64, x86_64 is amd64. */
const char *arch_name(const char *arch);

#endif
