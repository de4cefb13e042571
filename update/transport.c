/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Getting files from mirrors, by libcurl.
 *
 * A mirror is asked until it fails: it does not answer, breaks off, is too slow, or what it sent turns out to be wrong.
 * Then the next one is asked, and stays in use.  No mirror is believed: a download is cut at the size that was said or
 * allowed, and what has a hash is given to nobody before it was compared.
 *
 * A file of known hash comes into `part`, and one that broke off goes on there, at another mirror or in another run.  Bytes
 * that were left by a mirror that lied would spoil it for all others; so a wrong hash empties it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <curl/curl.h>
#include "update.h"

#define SLOW_LIMIT 100L		/* bytes a second, below which ... */
#define SLOW_TIME 30L		/* ... for that many seconds a mirror is given up */

struct transport {
	CURL *curl;
	char **mirrors;
	size_t n, at;
	int64_t bytes;
	/* The transfer under way. */
	struct buf *out;
	int fd;
	int64_t got, max;
	bool too_big, failed;
};

int
transport_open(struct transport **tp, const char *const *mirrors, size_t n, struct uverr *err)
{
	struct transport *t;

	if (n == 0)
		return (uverr(err, EINVAL, "no mirror is known: vnet-update init names them, or --mirror"));
	t = xmalloc(sizeof(*t));
	*t = (struct transport){ .n = n };
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (t->curl = curl_easy_init()) == NULL)
		text_oom();
	t->mirrors = xmalloc(n * sizeof(*t->mirrors));
	for (size_t i = 0; i < n; i++)
		t->mirrors[i] = xstrdup(mirrors[i]);
	*tp = t;
	return (0);
}

void
transport_close(struct transport *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->mirrors[i]);
	free(t->mirrors);
	curl_easy_cleanup(t->curl);
	curl_global_cleanup();
	free(t);
}

int64_t
transport_bytes(const struct transport *t)
{
	return (t->bytes);
}

static size_t
receive(char *p, size_t size, size_t n, void *arg)
{
	struct transport *t = arg;
	const size_t len = size * n;
	size_t done = 0;
	ssize_t w;

	t->bytes += (int64_t)len;
	if ((int64_t)len > t->max - t->got) {
		t->too_big = true;
		return (0);
	}
	t->got += (int64_t)len;
	if (t->out != NULL) {
		buf_add(t->out, p, len);
		return (len);
	}
	while (done < len) {
		w = write(t->fd, p + done, len - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			t->failed = true;
			return (0);
		}
		done += (size_t)w;
	}
	return (len);
}

/* One request to the mirror in use: 0, -ENOENT, -ERANGE (it cannot go on in the middle), -ENOSPC (of ours), or -EIO. */
static int
request(struct transport *t, const char *name, int64_t from, struct uverr *err)
{
	const char *mirror = t->mirrors[t->at];
	char message[CURL_ERROR_SIZE] = "", *url;
	long code = 0;
	CURLcode r;
	int error = 0;

	if (asprintf(&url, "%s%s%s", mirror, mirror[0] != '\0' && mirror[strlen(mirror) - 1] == '/' ? "" : "/", name) == -1)
		text_oom();
	t->too_big = t->failed = false;
	curl_easy_reset(t->curl);
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
	curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, 3L);
	curl_easy_setopt(t->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, 15L);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_LIMIT);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, SLOW_TIME);
	curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "vnet-update/" UPDATE_VERSION);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, message);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	if (from > 0)
		curl_easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)from);
	r = curl_easy_perform(t->curl);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	if (t->failed)
		error = uverr(err, ENOSPC, "%s: what came cannot be written: %s", url, strerror(errno));
	else if (t->too_big)
		error = uverr(err, EIO, "%s: it sends more than the %lld bytes that it should", url, (long long)t->max);
	else if (from > 0 && (r == CURLE_RANGE_ERROR || (r == CURLE_HTTP_RETURNED_ERROR && code == 416)))
		error = -ERANGE;
	else if ((r == CURLE_HTTP_RETURNED_ERROR && (code == 404 || code == 410)) || r == CURLE_FILE_COULDNT_READ_FILE)
		error = uverr(err, ENOENT, "%s: it is not there", url);
	else if (r != CURLE_OK)
		error = uverr(err, EIO, "%s: %s", url, message[0] != '\0' ? message : curl_easy_strerror(r));
	free(url);
	return (error);
}

int
transport_next(struct transport *t, const char *why, struct uverr *err)
{
	if (t->at + 1 >= t->n)
		return (uverr(err, ENODATA, "%s", why));
	fprintf(stderr, "vnet-update: %s; trying the next mirror, %s\n", why, t->mirrors[t->at + 1]);
	t->at++;
	return (0);
}

int
transport_get(struct transport *t, const char *name, size_t max, struct buf *out, struct uverr *err)
{
	const size_t start = out->n;
	struct uverr why;
	int error;

	for (;;) {
		out->n = start;
		buf_add(out, "", 0);
		t->out = out;
		t->got = 0;
		t->max = (int64_t)max;
		error = request(t, name, 0, err);
		if (error != -EIO)
			return (error);
		why = *err;
		if ((error = transport_next(t, why.text, err)) != 0)
			return (error);
	}
}

/* What is in the file already; its hash when it is whole. */
static int
look(int fd, int64_t size, int64_t *have, char hash[65], struct buf *out)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return (-errno);
	*have = st.st_size;
	if (st.st_size != size)
		return (0);
	out->n = 0;
	buf_add(out, "", 0);
	for (char part[65536];;) {
		const ssize_t n = pread(fd, part, sizeof(part), (off_t)out->n);

		if (n < 0)
			return (-errno);
		if (n == 0)
			break;
		buf_add(out, part, (size_t)n);
	}
	text_sha256(buf_get(out), hash);
	return (0);
}

int
transport_fetch(struct transport *t, const char *name, int64_t size, const char *sha256, const char *part,
    struct buf *out, struct uverr *err)
{
	const int fd = open(part, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool fresh = false;			/* all that is in the file came from the mirror in use */
	char hash[65] = "";
	struct uverr why;
	int64_t have = 0;
	int error;

	if (fd == -1)
		return (uverr(err, errno, "%s: %s", part, strerror(errno)));
	for (;;) {
		if ((error = look(fd, size, &have, hash, out)) != 0) {
			uverr(err, -error, "%s: %s", part, strerror(-error));
			break;
		}
		if (have == size && strcmp(hash, sha256) == 0)
			break;
		if (have >= size) {		/* wrong, or no file of ours */
			if (ftruncate(fd, 0) == -1) {
				error = uverr(err, errno, "%s: %s", part, strerror(errno));
				break;
			}
			if (have > 0 && fresh) {
				snprintf(why.text, sizeof(why.text), "%s/%s: its hash is not what the manifest says", t->mirrors[t->at], name);
				if ((error = transport_next(t, why.text, err)) != 0)
					break;
			}
			have = 0;
		}
		fresh = have == 0;
		t->out = NULL;
		t->fd = fd;
		t->got = have;
		t->max = size;
		error = request(t, name, have, err);
		if (error == 0 && t->got < size)
			error = uverr(err, EIO, "%s/%s: it has only %lld of %lld bytes", t->mirrors[t->at], name, (long long)t->got,
			    (long long)size);
		if (error == 0)
			continue;
		if (error == -ENOSPC)
			break;
		if (error == -ERANGE && ftruncate(fd, 0) == 0)
			continue;
		if (t->too_big && ftruncate(fd, 0) == -1)	/* it does not end where it should: all of it is suspect */
			break;
		why = *err;
		if ((error = transport_next(t, why.text, err)) != 0)
			break;
	}
	if (error == 0 && size == 0)
		buf_add(out, "", 0);
	close(fd);
	if (error == 0)
		unlink(part);
	return (error);
}
