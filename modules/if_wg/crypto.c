/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcrypto, with as little around it as it allows.
 *
 * A worker has one context for sealing, one for opening, one for hashing; they are made once and keyed again for
 * each use, which costs 40 ns of the 770 that a packet of 1420 bytes takes (and nothing when the last packet had the
 * same key).  Ten thousand contexts, one a session, would be tens of megabytes that no cache holds.
 *
 * No primitive is ours.  HChaCha20, which libcrypto lacks and XChaCha20 wants, is ChaCha20's block function without
 * its final addition (draft-irtf-cfrg-xchacha-03, 2.2): take the key stream's first block and subtract what was added,
 * which is known: the constants and the nonce.
 *
 * X25519 by a key object for ours each time: made of both halves it costs 1 us of 38; made of the private one alone,
 * libcrypto would compute the public one again, which costs half as much as the exchange itself.  The other's key is written
 * into one object that stays: a new one would cost 2 us.
 */
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <uvnet/dpcpu.h>

#include "wg.h"

struct wg_crypto {
	EVP_CIPHER_CTX *seal, *open, *stream;
	uint64_t seal_id, open_id, last_id;
	EVP_CIPHER *aead, *chacha;
	EVP_MD *blake2s;
	EVP_MD_CTX *md;
	EVP_MAC *mac;
	EVP_MAC_CTX *mac_ctx;
	EVP_PKEY_CTX *x25519;
	EVP_PKEY *his;			/* the public key of whoever it is now */
};

DPCPU_DEFINE_STATIC(struct wg_crypto *, wg_crypto);

/* libcrypto refused what cannot fail: it is broken, or its memory is. */
#define CHECK(call) \
	do { \
		if ((call) != 1) { \
			fprintf(stderr, "if_wg: libcrypto failed: %s\n", #call); \
			abort(); \
		} \
	} while (0)

static void
crypto_free(struct wg_crypto *c)
{
	EVP_PKEY_free(c->his);
	EVP_PKEY_CTX_free(c->x25519);
	EVP_MAC_CTX_free(c->mac_ctx);
	EVP_MAC_free(c->mac);
	EVP_MD_CTX_free(c->md);
	EVP_MD_free(c->blake2s);
	EVP_CIPHER_CTX_free(c->stream);
	EVP_CIPHER_CTX_free(c->open);
	EVP_CIPHER_CTX_free(c->seal);
	EVP_CIPHER_free(c->chacha);
	EVP_CIPHER_free(c->aead);
	free(c);
}

static struct wg_crypto *
crypto_alloc(void)
{
	static const uint8_t zero[32];
	static const uint8_t base[WG_KEY_SIZE] = { 9 };
	struct wg_crypto *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (NULL);
	c->aead = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	c->chacha = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	c->seal = EVP_CIPHER_CTX_new();
	c->open = EVP_CIPHER_CTX_new();
	c->stream = EVP_CIPHER_CTX_new();
	c->blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	c->md = EVP_MD_CTX_new();
	c->mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	if (c->mac != NULL)
		c->mac_ctx = EVP_MAC_CTX_new(c->mac);
	c->x25519 = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	c->his = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, base, sizeof(base));
	if (c->aead == NULL || c->chacha == NULL || c->seal == NULL || c->open == NULL || c->stream == NULL ||
	    c->blake2s == NULL || c->md == NULL || c->mac_ctx == NULL || c->x25519 == NULL ||
	    c->his == NULL || EVP_EncryptInit_ex(c->seal, c->aead, NULL, zero, zero) != 1 ||
	    EVP_DecryptInit_ex(c->open, c->aead, NULL, zero, zero) != 1 ||
	    EVP_EncryptInit_ex(c->stream, c->chacha, NULL, zero, zero) != 1) {
		crypto_free(c);
		return (NULL);
	}
	return (c);
}

struct wg_crypto *
wg_crypto_get(unsigned cpu)
{
	struct wg_crypto **cp = DPCPU_ID_PTR(cpu, wg_crypto);

	if (*cp == NULL)
		*cp = crypto_alloc();
	return (*cp);
}

void
wg_crypto_fini(void)
{
	struct wg_crypto **cp;
	unsigned i;

	CPU_FOREACH(i) {
		cp = DPCPU_ID_PTR(i, wg_crypto);
		if (*cp != NULL)
			crypto_free(*cp);
		*cp = NULL;
	}
}

/* ---- Sealing ---- */

static void
seal(struct wg_crypto *c, uint64_t id, const uint8_t key[32], const uint8_t nonce[12], const void *ad, size_t adlen,
    void *out, const void *in, size_t len)
{
	OSSL_PARAM tag[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (uint8_t *)out + len, TAG_SIZE), OSSL_PARAM_END
	};
	int n;

	CHECK(EVP_EncryptInit_ex2(c->seal, NULL, id != 0 && id == c->seal_id ? NULL : key, nonce, NULL));
	c->seal_id = id;
	if (adlen > 0)
		CHECK(EVP_EncryptUpdate(c->seal, NULL, &n, ad, (int)adlen));
	if (len > 0)
		CHECK(EVP_EncryptUpdate(c->seal, out, &n, in, (int)len));
	CHECK(EVP_EncryptFinal_ex(c->seal, (uint8_t *)out + len, &n));
	CHECK(EVP_CIPHER_CTX_get_params(c->seal, tag));
}

static int
open_sealed(struct wg_crypto *c, uint64_t id, const uint8_t key[32], const uint8_t nonce[12], const void *ad,
    size_t adlen, void *out, const void *in, size_t len)
{
	const OSSL_PARAM tag[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (uint8_t *)(uintptr_t)in + len, TAG_SIZE),
		OSSL_PARAM_END
	};
	uint8_t none[1];
	int n;

	CHECK(EVP_DecryptInit_ex2(c->open, NULL, id != 0 && id == c->open_id ? NULL : key, nonce, tag));
	c->open_id = id;
	if (adlen > 0)
		CHECK(EVP_DecryptUpdate(c->open, NULL, &n, ad, (int)adlen));
	if (len > 0)
		CHECK(EVP_DecryptUpdate(c->open, out, &n, in, (int)len));
	return (EVP_DecryptFinal_ex(c->open, none, &n) == 1 ? 0 : -EBADMSG);
}

static void
nonce_of(uint8_t nonce[12], uint64_t counter)
{
	counter = htole64(counter);
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &counter, 8);
}

void
wg_seal(struct wg_crypto *c, uint64_t id, const uint8_t key[32], uint64_t counter, const void *ad, size_t adlen,
    void *out, const void *in, size_t len)
{
	uint8_t nonce[12];

	nonce_of(nonce, counter);
	seal(c, id, key, nonce, ad, adlen, out, in, len);
}

int
wg_open(struct wg_crypto *c, uint64_t id, const uint8_t key[32], uint64_t counter, const void *ad, size_t adlen,
    void *out, const void *in, size_t len)
{
	uint8_t nonce[12];

	nonce_of(nonce, counter);
	return (open_sealed(c, id, key, nonce, ad, adlen, out, in, len));
}

uint64_t
wg_crypto_id(struct wg_crypto *c)
{
	return (++c->last_id);
}

void
wg_crypto_forget(struct wg_crypto *c)
{
	static const uint8_t zero[32];

	CHECK(EVP_EncryptInit_ex(c->seal, NULL, NULL, zero, zero));
	CHECK(EVP_DecryptInit_ex(c->open, NULL, NULL, zero, zero));
	c->seal_id = c->open_id = 0;
}

/* The subkey of XChaCha20, and the nonce that goes with it. */
static void
hchacha20(struct wg_crypto *c, uint8_t subkey[32], uint8_t nonce[12], const uint8_t key[32], const uint8_t xnonce[24])
{
	static const char constants[] = "expand 32-byte k";
	static const uint8_t zero[64];
	uint32_t block[16], added[8];
	int n;

	/* libcrypto's IV is the state's last row: block counter and nonce. */
	CHECK(EVP_EncryptInit_ex(c->stream, NULL, NULL, key, xnonce));
	CHECK(EVP_EncryptUpdate(c->stream, (uint8_t *)block, &n, zero, sizeof(block)));
	memcpy(added, constants, 16);
	memcpy(added + 4, xnonce, 16);
	for (int i = 0; i < 4; i++) {
		block[i] = htole32(le32toh(block[i]) - le32toh(added[i]));
		block[12 + i] = htole32(le32toh(block[12 + i]) - le32toh(added[4 + i]));
	}
	memcpy(subkey, block, 16);
	memcpy(subkey + 16, block + 12, 16);
	wg_wipe(block, sizeof(block));
	memset(nonce, 0, 4);
	memcpy(nonce + 4, xnonce + 16, 8);
}

void
wg_xseal(struct wg_crypto *c, const uint8_t key[32], const uint8_t xnonce[NONCE_SIZE], const void *ad, size_t adlen,
    void *out, const void *in, size_t len)
{
	uint8_t subkey[32], nonce[12];

	hchacha20(c, subkey, nonce, key, xnonce);
	seal(c, 0, subkey, nonce, ad, adlen, out, in, len);
	wg_wipe(subkey, sizeof(subkey));
}

int
wg_xopen(struct wg_crypto *c, const uint8_t key[32], const uint8_t xnonce[NONCE_SIZE], const void *ad, size_t adlen,
    void *out, const void *in, size_t len)
{
	uint8_t subkey[32], nonce[12];
	int error;

	hchacha20(c, subkey, nonce, key, xnonce);
	error = open_sealed(c, 0, subkey, nonce, ad, adlen, out, in, len);
	wg_wipe(subkey, sizeof(subkey));
	return (error);
}

/* ---- Hashes ---- */

void
wg_hash(struct wg_crypto *c, uint8_t out[HASH_SIZE], const void *a, size_t alen, const void *b, size_t blen)
{
	CHECK(EVP_DigestInit_ex(c->md, c->blake2s, NULL));
	CHECK(EVP_DigestUpdate(c->md, a, alen));
	if (blen > 0)
		CHECK(EVP_DigestUpdate(c->md, b, blen));
	CHECK(EVP_DigestFinal_ex(c->md, out, NULL));
}

void
wg_mac(struct wg_crypto *c, uint8_t out[MAC_SIZE], const uint8_t *key, size_t keylen, const void *in, size_t len)
{
	size_t size = MAC_SIZE;
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END };

	CHECK(EVP_MAC_init(c->mac_ctx, key, keylen, params));
	CHECK(EVP_MAC_update(c->mac_ctx, in, len));
	CHECK(EVP_MAC_final(c->mac_ctx, out, &size, MAC_SIZE));
}

/* HMAC (RFC 2104) of BLAKE2s, whose block is 64 bytes; the key is 32. */
static void
hmac(struct wg_crypto *c, uint8_t out[HASH_SIZE], const uint8_t key[HASH_SIZE], const void *in, size_t len)
{
	uint8_t pad[64], inner[HASH_SIZE];

	memset(pad, 0x36, sizeof(pad));
	for (int i = 0; i < HASH_SIZE; i++)
		pad[i] ^= key[i];
	wg_hash(c, inner, pad, sizeof(pad), in, len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	wg_hash(c, out, pad, sizeof(pad), inner, sizeof(inner));
	wg_wipe(pad, sizeof(pad));
	wg_wipe(inner, sizeof(inner));
}

void
wg_kdf(struct wg_crypto *c, const uint8_t ck[HASH_SIZE], const void *in, size_t len, int n,
    uint8_t out1[HASH_SIZE], uint8_t out2[HASH_SIZE], uint8_t out3[HASH_SIZE])
{
	uint8_t secret[HASH_SIZE], t[HASH_SIZE + 1], *const out[] = { out1, out2, out3 };

	hmac(c, secret, ck, in, len);
	for (int i = 0; i < n; i++) {
		t[i > 0 ? HASH_SIZE : 0] = (uint8_t)(i + 1);
		hmac(c, t, secret, t, i > 0 ? sizeof(t) : 1);
		memcpy(out[i], t, HASH_SIZE);
	}
	wg_wipe(secret, sizeof(secret));
	wg_wipe(t, sizeof(t));
}

/* ---- X25519 ---- */

int
wg_public(uint8_t public[WG_KEY_SIZE], const uint8_t private[WG_KEY_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private, WG_KEY_SIZE);
	size_t len = WG_KEY_SIZE;
	int ok = key != NULL && EVP_PKEY_get_raw_public_key(key, public, &len) == 1;

	EVP_PKEY_free(key);
	return (ok ? 0 : -EINVAL);
}

int
wg_dh(struct wg_crypto *c, uint8_t out[WG_KEY_SIZE], const uint8_t private[WG_KEY_SIZE],
    const uint8_t public[WG_KEY_SIZE], const uint8_t peer[WG_KEY_SIZE])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)public, WG_KEY_SIZE),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)(uintptr_t)private, WG_KEY_SIZE),
		OSSL_PARAM_END,
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	size_t len = WG_KEY_SIZE;
	int ok;

	ok = EVP_PKEY_fromdata_init(c->x25519) == 1 &&
	    EVP_PKEY_fromdata(c->x25519, &key, EVP_PKEY_KEYPAIR, params) == 1 &&
	    EVP_PKEY_set1_encoded_public_key(c->his, peer, WG_KEY_SIZE) == 1 &&
	    (ctx = EVP_PKEY_CTX_new(key, NULL)) != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
	    EVP_PKEY_derive_set_peer_ex(ctx, c->his, 0) == 1 && EVP_PKEY_derive(ctx, out, &len) == 1 && len == WG_KEY_SIZE;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return (ok ? 0 : -EINVAL);
}

/* ---- Bytes ---- */

bool
wg_equal(const void *a, const void *b, size_t len)
{
	return (CRYPTO_memcmp(a, b, len) == 0);
}

void
wg_wipe(void *p, size_t len)
{
	OPENSSL_cleanse(p, len);
}

void
wg_random(void *p, size_t len)
{
	/* Up to 256 bytes come whole or not at all, and without a signal's interruption. */
	if (len > 256 || getrandom(p, len, 0) != (ssize_t)len) {
		fprintf(stderr, "if_wg: getrandom failed\n");
		abort();
	}
}
