/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * minisign's files, read and written.
 *
 *	public key	comment line, base64: "Ed" id[8] key[32]
 *	secret key	comment line, base64: "Ed" kdf[2] "B2" salt[32] opslimit[8] memlimit[8] id[8] key[64] check[32];
 *			the last three are XORed with scrypt's output when kdf is "Sc"; kdf 0 0 is none
 *	signature	comment line, base64: "Ed" or "ED" id[8] signature[64]; "trusted comment: " line; base64: global[64]
 *
 * "ED" signs the BLAKE2b-512 of the data, "Ed" (old) the data.  The global signature is over the signature and the
 * trusted comment.  All is little-endian.  The comments on first lines are nobody's word: they are skipped.
 *
 * A signature can lie at the end of the file that it is for, as Linux appends those of modules: then a module and its
 * signature cannot be parted by a copy, and a reader of ELF does not see it.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uvnet/minisign.h>
#include <sodium.h>

#define COMMENT "untrusted comment: "
#define TRUSTED "trusted comment: "
#define SCRYPT_MAX (UINT64_C(1) << 30)		/* bytes; minisign's own keys ask for exactly that */

struct public_file {
	uint8_t algorithm[2], id[8], key[32];
} __attribute__((packed));

struct secret_part {
	uint8_t id[8], key[64], check[32];
} __attribute__((packed));

struct secret_file {
	uint8_t algorithm[2], kdf[2], checksum[2], salt[32];
	uint64_t opslimit, memlimit;
	struct secret_part part;
} __attribute__((packed));

struct signature_file {
	uint8_t algorithm[2], id[8], signature[64];
} __attribute__((packed));

static int
start(struct uverr *err)
{
	return (sodium_init() < 0 ? uverr(err, EIO, "libsodium does not start: no source of random numbers") : 0);
}

void
minisign_id(const uint8_t id[8], char hex[17])
{
	for (int i = 0; i < 8; i++)
		snprintf(hex + 2 * i, 3, "%02X", id[7 - i]);
}

void
minisign_forget(struct minisign_secret *secret)
{
	sodium_memzero(secret, sizeof(*secret));
}

int
minisign_generate(struct minisign_secret *secret, struct minisign_public *public, struct uverr *err)
{
	int error = start(err);

	if (error != 0)
		return (error);
	randombytes_buf(secret->id, sizeof(secret->id));
	memcpy(public->id, secret->id, sizeof(public->id));
	crypto_sign_keypair(public->key, secret->key);
	return (0);
}

/* ---- Lines ---- */

/* The next line of a text; false at its end. */
static bool
next_line(const char **text, size_t *len, const char **line, size_t *n)
{
	const char *end = *len > 0 ? memchr(*text, '\n', *len) : NULL;

	if (*len == 0)
		return (false);
	*line = *text;
	*n = end != NULL ? (size_t)(end - *text) : *len;
	*text += *n + (end != NULL);
	*len -= *n + (end != NULL);
	if (*n > 0 && (*line)[*n - 1] == '\r')
		--*n;
	return (true);
}

static bool
starts(const char *line, size_t n, const char *with)
{
	return (n >= strlen(with) && memcmp(line, with, strlen(with)) == 0);
}

/* Exactly `size` bytes in base64 make up the line. */
static bool
decode(const char *line, size_t n, void *out, size_t size)
{
	const char *end;
	size_t got;

	return (sodium_base642bin(out, size, line, n, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) == 0 && got == size &&
	    end == line + n);
}

/* The line in base64 of a key file: the second, or the only one. */
static bool
key_line(const char *text, size_t len, void *out, size_t size)
{
	const char *line;
	size_t n;

	if (!next_line(&text, &len, &line, &n))
		return (false);
	if (starts(line, n, COMMENT) && !next_line(&text, &len, &line, &n))
		return (false);
	return (decode(line, n, out, size) && len == 0);
}

static void
encode(const void *bytes, size_t n, char *out, size_t size)
{
	sodium_bin2base64(out, size, bytes, n, sodium_base64_VARIANT_ORIGINAL);
}

/* ---- Keys ---- */

int
minisign_write_public(const struct minisign_public *public, char text[MINISIGN_PUBLIC_MAX])
{
	struct public_file f = { .algorithm = { 'E', 'd' } };
	char line[sodium_base64_ENCODED_LEN(sizeof(f), sodium_base64_VARIANT_ORIGINAL)], id[17];

	memcpy(f.id, public->id, sizeof(f.id));
	memcpy(f.key, public->key, sizeof(f.key));
	encode(&f, sizeof(f), line, sizeof(line));
	minisign_id(public->id, id);
	return (snprintf(text, MINISIGN_PUBLIC_MAX, COMMENT "minisign public key %s\n%s\n", id, line));
}

int
minisign_read_public(struct minisign_public *public, const char *text, size_t len, struct uverr *err)
{
	struct public_file f;

	if (!key_line(text, len, &f, sizeof(f)) || memcmp(f.algorithm, "Ed", 2) != 0)
		return (uverr(err, EBADMSG, "this is no public key of minisign"));
	memcpy(public->id, f.id, sizeof(f.id));
	memcpy(public->key, f.key, sizeof(f.key));
	return (0);
}

static void
checksum(const struct secret_file *f, uint8_t out[32])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, 32);
	crypto_generichash_update(&st, f->algorithm, sizeof(f->algorithm));
	crypto_generichash_update(&st, f->part.id, sizeof(f->part.id));
	crypto_generichash_update(&st, f->part.key, sizeof(f->part.key));
	crypto_generichash_final(&st, out, 32);
}

/* XOR the secret part with what scrypt makes of the password. */
static int
crypt_part(struct secret_file *f, const char *password, struct uverr *err)
{
	uint8_t stream[sizeof(f->part)], *part = (uint8_t *)&f->part;

	if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof(stream), password, strlen(password), f->salt,
	    le64toh(f->opslimit), (size_t)le64toh(f->memlimit)) != 0)
		return (uverr(err, ENOMEM, "scrypt needs %llu MB for this key: there is not that much memory",
		    (unsigned long long)le64toh(f->memlimit) >> 20));
	for (size_t i = 0; i < sizeof(stream); i++)
		part[i] ^= stream[i];
	sodium_memzero(stream, sizeof(stream));
	return (0);
}

int
minisign_write_secret(const struct minisign_secret *secret, const char *password, char text[MINISIGN_SECRET_MAX],
    struct uverr *err)
{
	struct secret_file f = { .algorithm = { 'E', 'd' }, .checksum = { 'B', '2' } };
	char line[sodium_base64_ENCODED_LEN(sizeof(f), sodium_base64_VARIANT_ORIGINAL)];
	int error = start(err);

	if (error != 0)
		return (error);
	memcpy(f.part.id, secret->id, sizeof(f.part.id));
	memcpy(f.part.key, secret->key, sizeof(f.part.key));
	checksum(&f, f.part.check);
	if (password != NULL) {
		memcpy(f.kdf, "Sc", 2);
		randombytes_buf(f.salt, sizeof(f.salt));
		f.opslimit = htole64(crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE);
		f.memlimit = htole64(crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE);
		error = crypt_part(&f, password, err);
	}
	if (error == 0) {
		encode(&f, sizeof(f), line, sizeof(line));
		snprintf(text, MINISIGN_SECRET_MAX, COMMENT "minisign %s secret key\n%s\n",
		    password != NULL ? "encrypted" : "unencrypted", line);
	}
	sodium_memzero(&f, sizeof(f));
	sodium_memzero(line, sizeof(line));
	return (error);
}

int
minisign_read_secret(struct minisign_secret *secret, const char *text, size_t len, const char *password,
    struct uverr *err)
{
	struct secret_file f;
	uint8_t check[32];
	int error = start(err);

	if (error != 0)
		return (error);
	if (!key_line(text, len, &f, sizeof(f)) || memcmp(f.algorithm, "Ed", 2) != 0 || memcmp(f.checksum, "B2", 2) != 0 ||
	    (memcmp(f.kdf, "Sc", 2) != 0 && memcmp(f.kdf, "\0", 2) != 0)) {
		error = uverr(err, EBADMSG, "this is no secret key of minisign");
		goto out;
	}
	if (f.kdf[0] != 0) {
		if (password == NULL) {
			error = uverr(err, ENOKEY, "the key is encrypted: it needs its password");
			goto out;
		}
		if (le64toh(f.memlimit) > SCRYPT_MAX || le64toh(f.opslimit) > SCRYPT_MAX) {
			error = uverr(err, EBADMSG, "the key asks for more than 1 GB to be decrypted");
			goto out;
		}
		if ((error = crypt_part(&f, password, err)) != 0)
			goto out;
	}
	checksum(&f, check);
	if (sodium_memcmp(check, f.part.check, sizeof(check)) != 0) {
		error = f.kdf[0] != 0 ? uverr(err, EACCES, "wrong password") : uverr(err, EBADMSG, "the secret key is damaged");
		goto out;
	}
	memcpy(secret->id, f.part.id, sizeof(secret->id));
	memcpy(secret->key, f.part.key, sizeof(secret->key));
out:
	sodium_memzero(&f, sizeof(f));
	return (error);
}

/* ---- Signatures ---- */

int
minisign_read_signature(struct minisign_signature *s, const char *text, size_t len, struct uverr *err)
{
	struct signature_file f;
	const char *line;
	size_t n;

	if (!next_line(&text, &len, &line, &n) || !starts(line, n, COMMENT) ||
	    !next_line(&text, &len, &line, &n) || !decode(line, n, &f, sizeof(f)) ||
	    (memcmp(f.algorithm, "Ed", 2) != 0 && memcmp(f.algorithm, "ED", 2) != 0) ||
	    !next_line(&text, &len, &line, &n) || !starts(line, n, TRUSTED) ||
	    n - strlen(TRUSTED) >= MINISIGN_COMMENT_MAX || memchr(line, '\0', n) != NULL)
		return (uverr(err, EBADMSG, "this is no signature of minisign"));
	memcpy(s->comment, line + strlen(TRUSTED), n - strlen(TRUSTED));
	s->comment[n - strlen(TRUSTED)] = '\0';
	if (!next_line(&text, &len, &line, &n) || !decode(line, n, s->global, sizeof(s->global)) || len != 0)
		return (uverr(err, EBADMSG, "this is no signature of minisign"));
	memcpy(s->id, f.id, sizeof(s->id));
	memcpy(s->signature, f.signature, sizeof(s->signature));
	s->prehashed = f.algorithm[1] == 'D';
	return (0);
}

int
minisign_sign(const struct minisign_secret *secret, const void *data, size_t len, const char *comment,
    char text[MINISIGN_SIGNATURE_MAX], struct uverr *err)
{
	struct signature_file f = { .algorithm = { 'E', 'D' } };
	uint8_t hash[64], global[64], both[sizeof(f.signature) + MINISIGN_COMMENT_MAX];
	char line[sodium_base64_ENCODED_LEN(sizeof(f), sodium_base64_VARIANT_ORIGINAL)];
	char global_line[sodium_base64_ENCODED_LEN(sizeof(global), sodium_base64_VARIANT_ORIGINAL)], id[17];
	const size_t n = strlen(comment);
	int error = start(err);

	if (error != 0)
		return (error);
	if (n >= MINISIGN_COMMENT_MAX || strpbrk(comment, "\r\n") != NULL)
		return (uverr(err, EINVAL, "a trusted comment is one line of less than %d bytes", MINISIGN_COMMENT_MAX));
	memcpy(f.id, secret->id, sizeof(f.id));
	crypto_generichash(hash, sizeof(hash), data, len, NULL, 0);
	crypto_sign_detached(f.signature, NULL, hash, sizeof(hash), secret->key);
	memcpy(both, f.signature, sizeof(f.signature));
	memcpy(both + sizeof(f.signature), comment, n);
	crypto_sign_detached(global, NULL, both, sizeof(f.signature) + n, secret->key);
	encode(&f, sizeof(f), line, sizeof(line));
	encode(global, sizeof(global), global_line, sizeof(global_line));
	minisign_id(secret->id, id);
	snprintf(text, MINISIGN_SIGNATURE_MAX, COMMENT "signature by key %s\n%s\n" TRUSTED "%s\n%s\n", id, line, comment,
	    global_line);
	return (0);
}

int
minisign_verify(const struct minisign_public *public, const struct minisign_signature *s, const void *data, size_t len,
    struct uverr *err)
{
	uint8_t hash[64], both[sizeof(s->signature) + MINISIGN_COMMENT_MAX];
	const size_t n = strlen(s->comment);
	char id[17], other[17];
	int bad;

	minisign_id(public->id, id);
	if (memcmp(public->id, s->id, sizeof(s->id)) != 0) {
		minisign_id(s->id, other);
		return (uverr(err, ENOKEY, "it is signed with key %s, not with %s", other, id));
	}
	if (s->prehashed) {
		crypto_generichash(hash, sizeof(hash), data, len, NULL, 0);
		bad = crypto_sign_verify_detached(s->signature, hash, sizeof(hash), public->key);
	} else {
		bad = crypto_sign_verify_detached(s->signature, data, len, public->key);
	}
	memcpy(both, s->signature, sizeof(s->signature));
	memcpy(both + sizeof(s->signature), s->comment, n);
	if (bad != 0 || crypto_sign_verify_detached(s->global, both, sizeof(s->signature) + n, public->key) != 0)
		return (uverr(err, EBADMSG, "BAD signature: this is not what key %s signed", id));
	return (0);
}

/* ---- Appended ---- */

int
minisign_appended(const void *file, size_t len, size_t *content, struct minisign_signature *s, struct uverr *err)
{
	const size_t mark = strlen(MINISIGN_TRAILER);
	const uint8_t *p = file;
	uint32_t n;
	int error;

	*content = len;
	if (len < mark || memcmp(p + len - mark, MINISIGN_TRAILER, mark) != 0)
		return (0);
	len -= mark;
	if (len < sizeof(n))
		return (uverr(err, EBADMSG, "the appended signature is cut"));
	memcpy(&n, p + len - sizeof(n), sizeof(n));
	n = be32toh(n);
	len -= sizeof(n);
	if (n >= MINISIGN_SIGNATURE_MAX || n > len)
		return (uverr(err, EBADMSG, "the appended signature is said to have %u bytes: it is cut, or not of minisign", n));
	*content = len - n;
	error = minisign_read_signature(s, (const char *)p + len - n, n, err);
	return (error != 0 ? error : 1);
}

size_t
minisign_append(const char *signature, uint8_t *out)
{
	const size_t n = strlen(signature), mark = strlen(MINISIGN_TRAILER);
	const uint32_t be = htobe32((uint32_t)n);

	memcpy(out, signature, n);
	memcpy(out + n, &be, sizeof(be));
	memcpy(out + n + sizeof(be), MINISIGN_TRAILER, mark);
	return (n + sizeof(be) + mark);
}
