/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sentences for failures; see uvnet/err.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uvnet/err.h>

int
uverr(struct uverr *err, int error, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return (-error);
}

void
uverr_prefix(struct uverr *err, const char *fmt, ...)
{
	char place[256] = "";
	size_t room, n;
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(place, sizeof(place) - 2, fmt, ap);
	va_end(ap);
	strcat(place, ": ");
	n = strlen(place);
	room = sizeof(err->text) - 1 - n;
	memmove(err->text + n, err->text, room);
	memcpy(err->text, place, n);
	err->text[sizeof(err->text) - 1] = '\0';
}
