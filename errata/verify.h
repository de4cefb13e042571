/* SPDX-License-Identifier: BSD-2-Clause */
/* Who signed this, and is it so?  OpenPGP by librnp. */
#ifndef ERRATA_VERIFY_H
#define ERRATA_VERIFY_H

#include <time.h>
#include "text.h"

/* From good to bad.  Only the first two are to be believed. */
enum verdict_status {
	VERDICT_GOOD,		/* by a key of the keyring */
	VERDICT_KEY_EXPIRED,	/* the same; the key has expired since, and had not when it signed */
	VERDICT_UNCHECKED,	/* no keyring was given */
	VERDICT_UNSIGNED,	/* a text without any armour */
	VERDICT_NO_KEY,		/* the signer's key is not in the keyring */
	VERDICT_WEAK,		/* made with a hash (MD5) that proves nothing any more */
	VERDICT_BAD,		/* the text or the signature was changed, or the key was revoked or not yet valid */
	VERDICT_REFUSED		/* more, or less, in the file than one signed message (armor.h) */
};

struct verdict {
	enum verdict_status status;
	char why[512];		/* a sentence, for all but VERDICT_GOOD */
	char keyid[20], fingerprint[68], hash[16], signer[200];
	time_t made, expired;	/* of the signature, of the key; 0: not known, never */
};

const char *verdict_name(enum verdict_status status);		/* "good", "key-expired", ... */
const char *verdict_sentence(const struct verdict *v, char *text, size_t size);
static inline bool
verdict_trusted(const struct verdict *v)
{
	return (v->status == VERDICT_GOOD || v->status == VERDICT_KEY_EXPIRED);
}

/* Public keys.  Used by one thread at a time. */
struct keyring;
int keyring_open(struct keyring **kr, struct uverr *err);
void keyring_free(struct keyring *kr);
/* Add all public key blocks of a file (armour, with anything around it).  -ENOKEY when it has none. */
int keyring_add(struct keyring *kr, const char *path, struct uverr *err);

/*
 * Check a clear-signed message.  `text` gets what the verifier hands back, and that alone may be parsed: the words of
 * the message, whether or not they are to be believed; of an unsigned file all of it; of a refused one nothing.
 */
void verify_message(struct keyring *kr, struct slice file, struct verdict *v, struct buf *text);

/* Check a detached signature of `data`. */
void verify_detached(struct keyring *kr, struct slice data, struct slice signature, struct verdict *v);

#endif
