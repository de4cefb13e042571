/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame of OpenPGP's armour (RFC 9580, 6.2 and 7), checked strictly before a verifier sees it. */
#ifndef ERRATA_ARMOR_H
#define ERRATA_ARMOR_H

#include "text.h"

/*
 * Is the file one clear-signed message and nothing else?  Nothing before it, nothing behind it, no header but Hash,
 * every line of the text that begins with a dash escaped, one signature.  0; -ENODATA when it holds no armour at all
 * (an unsigned text); -EBADMSG, with the line and what is wrong there.
 */
int armor_check_message(struct slice file, struct uverr *err);

/* The same for a detached signature.  0, -ENODATA, -EBADMSG. */
int armor_check_signature(struct slice file, struct uverr *err);

/*
 * The next public key block of a file that may hold other things around it, as FreeBSD publishes its keys (AsciiDoc,
 * SGML).  *at is where to look from, 0 at first.  False when there is none.
 */
bool armor_next_key(struct slice file, size_t *at, struct slice *block);

#endif
