/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signatures in minisign's format (Ed25519): keys, signatures, and signatures appended to a file.
 *
 * Everything here takes and gives text in memory and has no state: any thread may call it, and what is returned is the
 * caller's.  sodium_init() is called where it is needed.  Source: minisign(1), "Signature format"; the cryptography is
 * libsodium's.
 */
#ifndef UVNET_MINISIGN_H
#define UVNET_MINISIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>

#define MINISIGN_PUBLIC_MAX 256		/* bytes of a public key's text, as this code writes it */
#define MINISIGN_SECRET_MAX 512
#define MINISIGN_SIGNATURE_MAX 1024
#define MINISIGN_COMMENT_MAX 256	/* of a trusted comment */
#define MINISIGN_TRAILER "~Module signature appended~\n"	/* as Linux marks signed modules */

struct minisign_public {
	uint8_t id[8];
	uint8_t key[32];
};

/* Wipe it with minisign_forget(). */
struct minisign_secret {
	uint8_t id[8];
	uint8_t key[64];
};

struct minisign_signature {
	uint8_t id[8];			/* of the key that it says made it */
	uint8_t signature[64], global[64];
	bool prehashed;
	char comment[MINISIGN_COMMENT_MAX];	/* the trusted comment: signed, too */
};

/* "A9C4F0D2B1E37758" and a NUL: as minisign shows a key's id. */
void minisign_id(const uint8_t id[8], char hex[17]);

/* Make a key pair.  -EIO when libsodium does not start. */
int minisign_generate(struct minisign_secret *secret, struct minisign_public *public, struct uverr *err);
void minisign_forget(struct minisign_secret *secret);

/* The text of a key file.  With a password, the secret one is encrypted (scrypt; a second, 1 GB at most); NULL: not. */
int minisign_write_public(const struct minisign_public *public, char text[MINISIGN_PUBLIC_MAX]);
int minisign_write_secret(const struct minisign_secret *secret, const char *password, char text[MINISIGN_SECRET_MAX],
    struct uverr *err);

/* Read the text of a key file, or only the line in base64.  -EBADMSG: it is none. */
int minisign_read_public(struct minisign_public *public, const char *text, size_t len, struct uverr *err);
/*
 * -ENOKEY: it is encrypted and no password was given; -EACCES: the password is wrong.  A key that asks for more than
 * 1 GB to be decrypted is refused.
 */
int minisign_read_secret(struct minisign_secret *secret, const char *text, size_t len, const char *password,
    struct uverr *err);
int minisign_read_signature(struct minisign_signature *s, const char *text, size_t len, struct uverr *err);

/* Sign `data`; the text of a signature file, ended by a NUL.  `comment`: one line, shorter than MINISIGN_COMMENT_MAX. */
int minisign_sign(const struct minisign_secret *secret, const void *data, size_t len, const char *comment,
    char text[MINISIGN_SIGNATURE_MAX], struct uverr *err);

/* 0: `public` signed `data` and the trusted comment.  -ENOKEY: another key; -EBADMSG: changed. */
int minisign_verify(const struct minisign_public *public, const struct minisign_signature *s, const void *data,
    size_t len, struct uverr *err);

/*
 * A file that carries its signature at its end: content, signature file's text, its length (4 bytes, big-endian),
 * MINISIGN_TRAILER.  Find the parts: 1 when there is one, 0 when there is none; -EBADMSG: a broken one.
 */
int minisign_appended(const void *file, size_t len, size_t *content, struct minisign_signature *s, struct uverr *err);
/* The bytes to append for a signature's text; at most MINISIGN_SIGNATURE_MAX + 64.  Returns how many. */
size_t minisign_append(const char *signature, uint8_t *out);

#endif
