/* SPDX-License-Identifier: BSD-2-Clause */
/* FreeBSD's sys/systm.h for module sources: what of it a user-space module can have.  See docs/freebsd-modules.md. */
#ifndef UVNET_FREEBSD_SYS_SYSTM_H
#define UVNET_FREEBSD_SYS_SYSTM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/cdefs.h>

/* KASSERT(exp, ("format", ...)): stays on, like every assertion here. */
#define KASSERT(exp, msg) \
	do { \
		if (__builtin_expect(!(exp), 0)) { \
			printf msg; \
			printf("\n"); \
			abort(); \
		} \
	} while (0)
#define panic(...) \
	do { \
		printf("panic: " __VA_ARGS__); \
		printf("\n"); \
		abort(); \
	} while (0)

#endif
