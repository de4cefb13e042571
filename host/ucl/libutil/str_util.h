/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for rspamd's header of this name, of which its copy of libucl uses comparisons without case.  uvnet
 * asks for none, so the table may stay ASCII.  See meson.build.
 */
#ifndef UCL_SHIM_STR_UTIL_H
#define UCL_SHIM_STR_UTIL_H

#include <strings.h>

typedef unsigned char guchar;
typedef unsigned int guint;

extern const guchar lc_map[256];

static inline int
rspamd_lc_cmp(const char *a, const char *b, size_t len)
{
	return (strncasecmp(a, b, len));
}

#endif
