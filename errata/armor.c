/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame around signed text.
 *
 * A verifier answers "is there a good signature?", not "is all of this file signed?".  librnp, like others, accepts a
 * line `Topic: all is well` among the armour's headers, text before and behind the message, and a second message, of
 * which it says nothing.  A reader, human or program, who looks at the file then sees words that nobody signed.  So
 * the file's frame is checked first, by a parser that allows exactly what the Security Officer's tools write:
 *
 *	-----BEGIN PGP SIGNED MESSAGE-----
 *	Hash: SHA512				any number of these, of known hashes only
 *						an empty line
 *	text					a line that begins with "-" is escaped: "- -----"
 *	-----BEGIN PGP SIGNATURE-----
 *	Version: GnuPG v2			Version, Comment, Charset, MessageID
 *						an empty line
 *	base64					then "=" and four characters of checksum
 *	-----END PGP SIGNATURE-----		and the end of the file
 *
 * Blank lines at the very end are no text and let pass.  What is parsed afterwards is what the verifier hands back,
 * never this file.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "armor.h"

#define MESSAGE_BEGIN "-----BEGIN PGP SIGNED MESSAGE-----"
#define SIGNATURE_BEGIN "-----BEGIN PGP SIGNATURE-----"
#define SIGNATURE_END "-----END PGP SIGNATURE-----"
#define KEY_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define KEY_END "-----END PGP PUBLIC KEY BLOCK-----"

static const char *const hashes[] = { "MD5", "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512" };
static const char *const headers[] = { "Version", "Comment", "Charset", "MessageID" };

static bool
known_hash(struct slice s)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (slice_is(s, hashes[i]))
			return (true);
	return (false);
}

/* "SHA256" or "SHA1,SHA512" */
static bool
known_hashes(struct slice s)
{
	const char *comma;

	while ((comma = memchr(s.p, ',', s.n)) != NULL) {
		if (!known_hash(slice_trim((struct slice){ s.p, (size_t)(comma - s.p) })))
			return (false);
		s = slice_trim(slice_from(s, (size_t)(comma - s.p) + 1));
	}
	return (known_hash(slice_trim(s)));
}

static bool
known_header(struct slice line)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (slice_starts(line, headers[i]) && slice_starts(slice_from(line, strlen(headers[i])), ":"))
			return (true);
	return (false);
}

static bool
is_base64(struct slice line)
{
	size_t n = line.n;

	while (n > 0 && line.p[n - 1] == '=' && line.n - n < 2)
		n--;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)line.p[i]) && line.p[i] != '+' && line.p[i] != '/')
			return (false);
	return (line.n > 0 && line.n <= 76);
}

static bool
is_checksum(struct slice line)
{
	return (line.n == 5 && line.p[0] == '=' && is_base64(slice_from(line, 1)));
}

/* A line for an error message, short and printable. */
static const char *
quoted(struct slice line, char out[48])
{
	size_t n = line.n < 40 ? line.n : 40;

	for (size_t i = 0; i < n; i++)
		out[i] = isprint((unsigned char)line.p[i]) ? line.p[i] : '?';
	strcpy(out + n, line.n > n ? "..." : "");
	return (out);
}

/* From behind the line that begins a signature to the end of the file. */
static int
check_signature_body(struct lines *l, struct uverr *err)
{
	struct slice line;
	char text[48];
	bool data = false, checksum = false;

	for (;;) {
		if (!lines_next(l, &line, NULL))
			return (uverr(err, EBADMSG, "line %d: the signature ends within its headers", l->no));
		if (slice_trim(line).n == 0)
			break;
		if (!known_header(line))
			return (uverr(err, EBADMSG, "line %d: \"%s\" is no header of a signature: nobody signed it",
			    l->no, quoted(line, text)));
	}
	for (;;) {
		if (!lines_next(l, &line, NULL))
			return (uverr(err, EBADMSG, "line %d: the file ends within the signature", l->no));
		if (slice_is(line, SIGNATURE_END))
			break;
		if (!checksum && data && is_checksum(line))
			checksum = true;
		else if (!checksum && is_base64(line))
			data = true;
		else
			return (uverr(err, EBADMSG, "line %d: \"%s\" does not belong into a signature", l->no,
			    quoted(line, text)));
	}
	if (!data)
		return (uverr(err, EBADMSG, "line %d: the signature is empty", l->no));
	while (lines_next(l, &line, NULL))
		if (slice_trim(line).n != 0)
			return (uverr(err, EBADMSG, "line %d: \"%s\" follows the signature: nobody signed it", l->no,
			    quoted(line, text)));
	return (0);
}

int
armor_check_message(struct slice file, struct uverr *err)
{
	struct lines l = lines_of(file);
	struct slice line;
	char text[48];

	if (memchr(file.p, '\0', file.n) != NULL)
		return (uverr(err, EBADMSG, "a NUL byte: this is no text"));
	if (!slice_has(file, "-----BEGIN PGP"))
		return (uverr(err, ENODATA, "not signed"));
	if (!lines_next(&l, &line, NULL) || !slice_is(line, MESSAGE_BEGIN))
		return (uverr(err, EBADMSG, "line 1: \"%s\" stands before the signed message: nobody signed it",
		    quoted(line, text)));
	for (;;) {
		if (!lines_next(&l, &line, NULL))
			return (uverr(err, EBADMSG, "line %d: the file ends within its headers", l.no));
		if (line.n == 0)
			break;
		if (!slice_starts(line, "Hash: ") || !known_hashes(slice_from(line, 6)))
			return (uverr(err, EBADMSG, "line %d: \"%s\" is no \"Hash:\" header: nobody signed it", l.no,
			    quoted(line, text)));
	}
	for (;;) {
		if (!lines_next(&l, &line, NULL))
			return (uverr(err, EBADMSG, "line %d: the file ends before its signature", l.no));
		if (slice_is(line, SIGNATURE_BEGIN))
			break;
		if (line.n > 0 && line.p[0] == '-' && !slice_starts(line, "- "))
			return (uverr(err, EBADMSG, "line %d: \"%s\": a dash without its escape (\"- \")", l.no,
			    quoted(line, text)));
	}
	return (check_signature_body(&l, err));
}

int
armor_check_signature(struct slice file, struct uverr *err)
{
	struct lines l = lines_of(file);
	struct slice line;
	char text[48];

	if (memchr(file.p, '\0', file.n) != NULL || !slice_has(file, "-----BEGIN PGP"))
		return (uverr(err, ENODATA, "not a signature in ASCII armour"));
	if (!lines_next(&l, &line, NULL) || !slice_is(line, SIGNATURE_BEGIN))
		return (uverr(err, EBADMSG, "line 1: \"%s\" stands before the signature", quoted(line, text)));
	return (check_signature_body(&l, err));
}

bool
armor_next_key(struct slice file, size_t *at, struct slice *block)
{
	struct slice rest = slice_from(file, *at);
	const char *begin, *end;

	if (rest.n == 0)
		return (false);
	begin = memmem(rest.p, rest.n, KEY_BEGIN, strlen(KEY_BEGIN));
	if (begin == NULL)
		return (false);
	rest = slice_from(rest, (size_t)(begin - rest.p));
	end = memmem(rest.p, rest.n, KEY_END, strlen(KEY_END));
	if (end == NULL)
		return (false);
	end += strlen(KEY_END);
	*block = (struct slice){ begin, (size_t)(end - begin) };
	*at = (size_t)(end - file.p);
	return (true);
}
