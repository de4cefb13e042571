/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, signatures and files with a signature at their end, as read from outside.  First byte: which reader. */
#include <stdlib.h>
#include <string.h>
#include <uvnet/minisign.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct minisign_signature s;
	struct minisign_public public = { .id = { 0 } };
	struct minisign_secret secret;
	struct uverr err;
	size_t content;
	char *text;

	if (len == 0)
		return (0);
	text = malloc(len);	/* of exactly this size, without a NUL */
	memcpy(text, data + 1, len - 1);
	switch (data[0] % 4) {
	case 0:
		minisign_read_public(&public, text, len - 1, &err);
		break;
	case 1:
		if (minisign_read_secret(&secret, text, len - 1, NULL, &err) == 0)
			minisign_forget(&secret);
		break;
	case 2:
		if (minisign_read_signature(&s, text, len - 1, &err) == 0 && memchr(s.comment, '\0', sizeof(s.comment)) == NULL)
			abort();
		break;
	case 3:
		if (minisign_appended(text, len - 1, &content, &s, &err) == 1) {
			if (content >= len - 1)
				abort();
			minisign_verify(&public, &s, text, content, &err);
		}
		break;
	}
	free(text);
	return (0);
}
