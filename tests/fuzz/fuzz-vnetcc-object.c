/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes vnetcc's object reader (cc/object.c) with any bytes at all.
 * Seeds: the objects of inet.ko.
 *
 * What the reader accepts is used as the link uses it: every name is read to
 * its end, the bitcode from end to end.  The input is on the heap in its
 * exact size, so that a read beyond it is found.
 */

#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static bool
definition(const char *name, uint64_t value, unsigned char *visibility, void *arg)
{
	(void)arg;
	sink += strlen(name) + value;
	*visibility = 0;
	return (true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object o = { 0 };
	const char *why = "";
	uint8_t *copy = xrealloc(NULL, size, 1);

	memcpy(copy, data, size);
	if (object_parse(&o, copy, size, &why)) {
		for (size_t i = 0; i < o.nsym; i++)
			sink += strlen(o.sym[i].name) + strlen(o.sym[i].section);
		for (size_t i = 0; i < o.bitcode_size; i++)
			sink += o.bitcode[i];
	}
	free(o.sym);
	(void)object_definitions(copy, size, definition, NULL);
	free(copy);
	return (0);
}
