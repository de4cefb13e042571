/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verification by librnp: the frame first (armor.c), then the signature, then the text that librnp hands back.
 *
 * What librnp leaves to its caller: whether a key that signed had been revoked, and whether it signed after it had
 * expired.  Keys are loaded without RNP_LOAD_SAVE_PERMISSIVE: a block of keys is whole or refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include "armor.h"
#include "verify.h"

struct keyring {
	rnp_ffi_t ffi;
	size_t keys;
	int null, saved;		/* see hush() */
};

/*
 * Debian's librnp is built with its log on: it explains each signature it does not like on stderr, whatever
 * RNP_LOG_CONSOLE says.  We say it ourselves, so stderr leads nowhere while librnp works.
 */
static void
hush(struct keyring *kr)
{
	kr->saved = dup(STDERR_FILENO);
	if (kr->saved != -1 && kr->null != -1)
		dup2(kr->null, STDERR_FILENO);
}

static void
unhush(struct keyring *kr)
{
	if (kr->saved != -1) {
		dup2(kr->saved, STDERR_FILENO);
		close(kr->saved);
	}
}

static const char *const names[] = {
	[VERDICT_GOOD] = "good", [VERDICT_KEY_EXPIRED] = "key-expired", [VERDICT_UNCHECKED] = "unchecked",
	[VERDICT_UNSIGNED] = "unsigned", [VERDICT_NO_KEY] = "no-key", [VERDICT_WEAK] = "weak", [VERDICT_BAD] = "bad",
	[VERDICT_REFUSED] = "refused"
};

const char *
verdict_name(enum verdict_status status)
{
	return (names[status]);
}

static void
day(time_t when, char out[16])
{
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(out, 16, "%Y-%m-%d", &tm);
}

const char *
verdict_sentence(const struct verdict *v, char *text, size_t size)
{
	char made[16];

	day(v->made, made);
	if (verdict_trusted(v))
		snprintf(text, size, "good signature of %s by %s (%s, key %s)%s%s", made, v->signer, v->hash, v->keyid,
		    v->why[0] != '\0' ? "; " : "", v->why);
	else
		snprintf(text, size, "%s", v->why);
	return (text);
}

int
keyring_open(struct keyring **krp, struct uverr *err)
{
	struct keyring *kr = xmalloc(sizeof(*kr));

	if (rnp_ffi_create(&kr->ffi, "GPG", "GPG") != RNP_SUCCESS) {
		free(kr);
		return (uverr(err, EIO, "librnp does not start"));
	}
	kr->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	*krp = kr;
	return (0);
}

void
keyring_free(struct keyring *kr)
{
	if (kr == NULL)
		return;
	rnp_ffi_destroy(kr->ffi);
	if (kr->null != -1)
		close(kr->null);
	free(kr);
}

int
keyring_add(struct keyring *kr, const char *path, struct uverr *err)
{
	struct buf b = { 0 };
	struct slice block;
	rnp_input_t in;
	rnp_result_t r;
	size_t at = 0, found = 0;
	int error;

	if ((error = file_read(path, FILE_MAX, &b, err)) != 0)
		goto out;
	while (armor_next_key(buf_get(&b), &at, &block)) {
		if (rnp_input_from_memory(&in, (const uint8_t *)block.p, block.n, false) != RNP_SUCCESS)
			text_oom();
		hush(kr);
		r = rnp_load_keys(kr->ffi, "GPG", in, RNP_LOAD_SAVE_PUBLIC_KEYS);
		unhush(kr);
		rnp_input_destroy(in);
		if (r != RNP_SUCCESS) {
			error = uverr(err, EBADMSG, "%s: key block %zu: %s", path, found + 1, rnp_result_to_string(r));
			goto out;
		}
		found++;
	}
	if (found == 0)
		error = uverr(err, ENOKEY, "%s: no OpenPGP public key in ASCII armour in it", path);
	kr->keys += found;
out:
	buf_free(&b);
	return (error);
}

static void
copy(char *to, size_t size, char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
	rnp_buffer_destroy(from);
}

/* What the key says of itself: its name, and whether it may have signed at that time. */
static void
judge_key(struct keyring *kr, rnp_op_verify_signature_t sig, struct verdict *v)
{
	rnp_key_handle_t key = NULL, primary = NULL;
	char *s = NULL;
	uint32_t born = 0, lives = 0;
	bool revoked = false;
	char when[16];

	if (rnp_op_verify_signature_get_key(sig, &key) != RNP_SUCCESS || key == NULL) {
		v->status = VERDICT_NO_KEY;
		return;
	}
	/* A subkey signs for its primary key, which alone has a name and can be revoked for both. */
	if (rnp_key_get_primary_fprint(key, &s) == RNP_SUCCESS && s != NULL &&
	    rnp_locate_key(kr->ffi, "fingerprint", s, &primary) != RNP_SUCCESS)
		primary = NULL;
	rnp_buffer_destroy(s);
	s = NULL;
	if (rnp_key_get_primary_uid(primary != NULL ? primary : key, &s) == RNP_SUCCESS)
		copy(v->signer, sizeof(v->signer), s);
	for (char *c = v->signer; *c != '\0'; c++)		/* it goes to terminals */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	s = NULL;
	if (rnp_key_get_fprint(key, &s) == RNP_SUCCESS)
		copy(v->fingerprint, sizeof(v->fingerprint), s);
	rnp_key_get_creation(key, &born);
	rnp_key_get_expiration(key, &lives);
	if (primary != NULL)
		rnp_key_is_revoked(primary, &revoked);
	rnp_key_handle_destroy(primary);
	if (revoked || (rnp_key_is_revoked(key, &revoked) == RNP_SUCCESS && revoked)) {
		v->status = VERDICT_BAD;
		snprintf(v->why, sizeof(v->why), "the key %s was revoked", v->keyid);
	} else if (lives != 0) {
		v->expired = (time_t)born + (time_t)lives;
		day(v->expired, when);
		if (v->made > v->expired) {
			v->status = VERDICT_BAD;
			snprintf(v->why, sizeof(v->why), "signed after the key %s had expired (%s)", v->keyid, when);
		} else if (time(NULL) > v->expired && v->status == VERDICT_GOOD) {
			v->status = VERDICT_KEY_EXPIRED;
			snprintf(v->why, sizeof(v->why), "the key expired later, on %s", when);
		}
	}
	rnp_key_handle_destroy(key);
}

static void
judge_signature(struct keyring *kr, rnp_op_verify_signature_t sig, struct verdict *v)
{
	rnp_signature_handle_t h = NULL;
	rnp_result_t r = rnp_op_verify_signature_get_status(sig);
	uint32_t made = 0, expires = 0;
	char *s = NULL;

	*v = (struct verdict){ .status = VERDICT_GOOD };
	if (rnp_op_verify_signature_get_hash(sig, &s) == RNP_SUCCESS)
		copy(v->hash, sizeof(v->hash), s);
	if (rnp_op_verify_signature_get_times(sig, &made, &expires) == RNP_SUCCESS)
		v->made = made;
	if (rnp_op_verify_signature_get_handle(sig, &h) == RNP_SUCCESS) {
		s = NULL;
		if (rnp_signature_get_keyid(h, &s) == RNP_SUCCESS)
			copy(v->keyid, sizeof(v->keyid), s);
		rnp_signature_handle_destroy(h);
	}
	if (r == RNP_SUCCESS) {
		judge_key(kr, sig, v);
	} else if (kr->keys == 0) {
		v->status = VERDICT_UNCHECKED;
		snprintf(v->why, sizeof(v->why), "not verified: no keyring was given (--keyring); it says it was signed"
		    " by key %s", v->keyid);
	} else if (r == RNP_ERROR_KEY_NOT_FOUND) {
		v->status = VERDICT_NO_KEY;
		snprintf(v->why, sizeof(v->why), "signed by key %s, which is not in the keyring", v->keyid);
	} else if (strcmp(v->hash, "MD5") == 0) {
		v->status = VERDICT_WEAK;
		snprintf(v->why, sizeof(v->why), "signed over MD5 by key %s: such a signature can be forged and is not"
		    " checked", v->keyid);
	} else if (r == RNP_ERROR_SIGNATURE_EXPIRED) {
		v->status = VERDICT_BAD;
		snprintf(v->why, sizeof(v->why), "the signature has expired");
	} else {
		v->status = VERDICT_BAD;
		snprintf(v->why, sizeof(v->why), "BAD signature: the text or the signature was changed after key %s made it",
		    v->keyid);
	}
}

/* All signatures must be good, or at least one good and the others of unknown keys: the worst other one counts. */
static void
judge(struct keyring *kr, rnp_op_verify_t op, rnp_result_t result, struct verdict *v)
{
	rnp_op_verify_signature_t sig;
	struct verdict one;
	size_t n = 0;
	bool good = false;

	rnp_op_verify_get_signature_count(op, &n);
	*v = (struct verdict){ .status = VERDICT_BAD };
	snprintf(v->why, sizeof(v->why), "no signature that can be read (%s)", rnp_result_to_string(result));
	for (size_t i = 0; i < n; i++) {
		if (rnp_op_verify_get_signature_at(op, i, &sig) != RNP_SUCCESS)
			continue;
		judge_signature(kr, sig, &one);
		if (i == 0 || one.status > VERDICT_NO_KEY || (verdict_trusted(&one) && v->status <= VERDICT_NO_KEY))
			*v = one;
		if (v->status > VERDICT_NO_KEY)
			break;
		good |= verdict_trusted(&one);
	}
	/* librnp's own last word. */
	if (good && verdict_trusted(v) && result != RNP_SUCCESS) {
		v->status = VERDICT_BAD;
		snprintf(v->why, sizeof(v->why), "the verifier refuses it: %s", rnp_result_to_string(result));
	}
}

void
verify_message(struct keyring *kr, struct slice file, struct verdict *v, struct buf *text)
{
	struct uverr err;
	rnp_input_t in;
	rnp_output_t out;
	rnp_op_verify_t op;
	rnp_result_t r;
	uint8_t *p;
	size_t n;
	int error;

	error = armor_check_message(file, &err);
	if (error != 0) {
		*v = (struct verdict){ .status = error == -ENODATA ? VERDICT_UNSIGNED : VERDICT_REFUSED };
		if (error == -ENODATA) {
			snprintf(v->why, sizeof(v->why), "not signed: anybody can have written it");
			buf_slice(text, file);
		} else {
			snprintf(v->why, sizeof(v->why), "refused: %.400s", err.text);
		}
		return;
	}
	if (rnp_input_from_memory(&in, (const uint8_t *)file.p, file.n, false) != RNP_SUCCESS ||
	    rnp_output_to_memory(&out, 0) != RNP_SUCCESS || rnp_op_verify_create(&op, kr->ffi, in, out) != RNP_SUCCESS)
		text_oom();
	hush(kr);
	r = rnp_op_verify_execute(op);
	judge(kr, op, r, v);
	unhush(kr);
	if (rnp_output_memory_get_buf(out, &p, &n, false) == RNP_SUCCESS && n > 0)
		buf_add(text, p, n);
	rnp_op_verify_destroy(op);
	rnp_output_destroy(out);
	rnp_input_destroy(in);
}

void
verify_detached(struct keyring *kr, struct slice data, struct slice signature, struct verdict *v)
{
	struct uverr err;
	rnp_input_t in, sig;
	rnp_op_verify_t op;
	rnp_result_t r;

	if (armor_check_signature(signature, &err) != 0) {
		*v = (struct verdict){ .status = VERDICT_REFUSED };
		snprintf(v->why, sizeof(v->why), "refused: %.400s", err.text);
		return;
	}
	if (data.n == 0) {			/* librnp takes no empty input */
		*v = (struct verdict){ .status = VERDICT_BAD };
		snprintf(v->why, sizeof(v->why), "there is nothing in it that could have been signed");
		return;
	}
	if (rnp_input_from_memory(&in, (const uint8_t *)data.p, data.n, false) != RNP_SUCCESS ||
	    rnp_input_from_memory(&sig, (const uint8_t *)signature.p, signature.n, false) != RNP_SUCCESS ||
	    rnp_op_verify_detached_create(&op, kr->ffi, in, sig) != RNP_SUCCESS)
		text_oom();
	hush(kr);
	r = rnp_op_verify_execute(op);
	judge(kr, op, r, v);
	unhush(kr);
	rnp_op_verify_destroy(op);
	rnp_input_destroy(sig);
	rnp_input_destroy(in);
}
