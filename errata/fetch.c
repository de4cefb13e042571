/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errata fetch: what FreeBSD's own binary update would change.  It reads the metadata alone (update.c) and installs
 * nothing.
 *
 * What is fetched is kept nowhere.  With --state, the tag that was seen is: a mirror that later offers a lower patch
 * number, an old state signed long ago, is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <curl/curl.h>
#include "errata.h"
#include "overlay.h"
#include "update.h"
#include "version.h"

#define MIRROR "http://update.freebsd.org"		/* as freebsd-update(8): the signature is what counts */
#define KEYPRINT "800651ef4b4c71c27e60786d7b487188970f4b4169cc055784e21eb71d410cc5"	/* its freebsd-update.conf */
#define SMALL_MAX 65536					/* pub.ssl, latest.ssl, metadata index */

struct transfer {
	CURL *curl;
	const char *mirror, *release, *arch;
	struct buf *out;
	size_t max;
	bool too_big;
};

static size_t
receive(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (size * n > t->max - t->out->n) {
		t->too_big = true;
		return (0);
	}
	buf_add(t->out, p, size * n);
	return (size * n);
}

/* One file of the release and architecture. */
static int
get(struct transfer *t, const char *file, size_t max, struct buf *out, struct uverr *err)
{
	const char *slash = t->mirror[0] != '\0' && t->mirror[strlen(t->mirror) - 1] == '/' ? "" : "/";
	char message[CURL_ERROR_SIZE] = "";
	CURLcode r;
	char *url;

	if (asprintf(&url, "%s%s%s/%s/%s", t->mirror, slash, t->release, t->arch, file) == -1)
		text_oom();
	out->n = 0;
	buf_add(out, "", 0);
	t->out = out;
	t->max = max;
	t->too_big = false;
	curl_easy_reset(t->curl);
	if (curl_easy_setopt(t->curl, CURLOPT_URL, url) != CURLE_OK)
		text_oom();
	curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
	curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, 3L);
	curl_easy_setopt(t->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, 30L);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 100L);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, 60L);
	curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "errata/" ERRATA_VERSION);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, message);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	r = curl_easy_perform(t->curl);
	if (r != CURLE_OK && t->too_big)
		uverr(err, EFBIG, "%s: more than %zu bytes: not what it is said to be", url, max);
	else if (r != CURLE_OK)
		uverr(err, EIO, "%s: %s", url, message[0] != '\0' ? message : curl_easy_strerror(r));
	free(url);
	return (r == CURLE_OK ? 0 : t->too_big ? -EFBIG : -EIO);
}

static int
check_hash(const char *file, struct slice text, const char *hash, struct uverr *err)
{
	char hex[65];

	text_sha256(text, hex);
	if (strcmp(hex, hash) == 0)
		return (0);
	return (uverr(err, EBADMSG, "%s: its SHA-256 is %s, not %s: refused", file, hex, hash));
}

/* From the key's fingerprint to the tag. */
static int
get_tag(struct transfer *t, const char *keyprint, struct update_tag *tag, struct buf *text, struct uverr *err)
{
	struct buf key = { 0 }, signature = { 0 };
	int error;

	if ((error = get(t, "pub.ssl", SMALL_MAX, &key, err)) != 0 ||
	    (error = check_hash("pub.ssl", buf_get(&key), keyprint, err)) != 0 ||
	    (error = get(t, "latest.ssl", SMALL_MAX, &signature, err)) != 0 ||
	    (error = update_tag_verify(buf_get(&key), buf_get(&signature), text, err)) != 0 ||
	    (error = update_tag_parse(buf_get(text), tag, err)) != 0)
		goto out;
	if (strcmp(tag->arch, t->arch) != 0 || strcmp(tag->release, t->release) != 0)
		error = uverr(err, EBADMSG, "latest.ssl: signed for %s %s, not for %s %s: refused", tag->release, tag->arch,
		    t->release, t->arch);
out:
	buf_free(&key);
	buf_free(&signature);
	return (error);
}

/* An index of files: `text` is what its slices lie in. */
static int
get_index(struct transfer *t, struct slice indexes, const char *name, struct buf *text, struct update_index *index,
    struct uverr *err)
{
	struct buf packed = { 0 };
	char hash[65], file[80];
	struct uverr why;
	int error;

	if ((error = update_index_hash(indexes, name, hash, err)) != 0)
		return (error);
	snprintf(file, sizeof(file), "m/%s.gz", hash);
	if ((error = get(t, file, FILE_MAX, &packed, err)) != 0)
		goto out;
	if ((error = update_unpack(buf_get(&packed), FILE_MAX, text, &why)) != 0)
		error = uverr(err, -error, "%s: %.300s", file, why.text);
	else if ((error = check_hash(file, buf_get(text), hash, err)) == 0 &&
	    (error = update_index_parse(buf_get(text), index, &why)) != 0)
		error = uverr(err, -error, "%s: %.300s", name, why.text);
out:
	buf_free(&packed);
	return (error);
}

/* The tag must not be older than the one that --state kept. */
static int
check_state(const char *path, const struct update_tag *tag, struct uverr *err)
{
	struct buf b = { 0 };
	struct update_tag seen;
	struct uverr why;
	int error;

	if (access(path, F_OK) == -1 && errno == ENOENT)
		return (0);
	if ((error = file_read(path, SMALL_MAX, &b, err)) != 0)
		goto out;
	if (update_tag_parse(buf_get(&b), &seen, &why) != 0 || strcmp(seen.arch, tag->arch) != 0 ||
	    strcmp(seen.release, tag->release) != 0)
		error = uverr(err, EINVAL, "%s: is not the state of %s %s", path, tag->release, tag->arch);
	else if (tag->patch < seen.patch)
		error = uverr(err, EBADMSG, "latest.ssl: patch level %ld, but %ld was seen before (%s): an old state is offered as"
		    " the newest; refused", tag->patch, seen.patch, path);
out:
	buf_free(&b);
	return (error);
}

struct report {
	json_t *changes;		/* or NULL: print */
	size_t count[UPDATE_LOCAL + 1];
};

static void
report_change(void *arg, enum update_change c, const struct update_file *f)
{
	struct report *r = arg;
	json_t *o;

	r->count[c]++;
	if (r->changes == NULL) {
		printf("%-8s %.*s\n", update_change_name(c), (int)f->path.n, f->path.p);
		return;
	}
	o = json_pack("{ss ss% ss% ss%}", "change", update_change_name(c), "path", f->path.p, f->path.n, "component",
	    f->component.p, f->component.n, "type", &f->type, (size_t)1);
	if (f->type == 'f' && c != UPDATE_REMOVE)
		json_object_set_new(o, "sha256", json_stringn(f->hash.p, f->hash.n));
	json_array_append_new(r->changes, o);
}

static void
report(const struct options *opt, const struct update_tag *tag, const struct update_index *old,
    const struct update_index *new)
{
	struct report r = { .changes = opt->json ? json_array() : NULL };
	time_t eol = (time_t)tag->eol;
	char day[16] = "";
	struct tm tm;

	if (gmtime_r(&eol, &tm) != NULL)
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	if (!opt->json)
		printf("%s-p%ld for %s, supported until %s%s\n", tag->release, tag->patch, tag->arch, day,
		    eol < time(NULL) ? ": OUT OF SUPPORT, no further fixes" : "");
	update_compare(old, new, opt->root, report_change, &r);
	if (opt->json) {
		json_print(json_pack("{ss ss si sI sb so}", "release", tag->release, "arch", tag->arch, "patch", (int)tag->patch,
		    "eol", (json_int_t)tag->eol, "supported", eol >= time(NULL), "changes", r.changes), stdout);
		return;
	}
	printf("%zu to add, %zu to replace, %zu to remove", r.count[UPDATE_ADD], r.count[UPDATE_REPLACE],
	    r.count[UPDATE_REMOVE]);
	if (opt->root != NULL)
		printf(", %zu changed locally and left alone", r.count[UPDATE_LOCAL]);
	printf("; nothing was installed\n");
}

static int
read_arguments(const struct options *opt, struct transfer *t, char release[32])
{
	struct version v;
	char *patch;

	if (!opt->freebsd) {
		fprintf(stderr, "errata: fetch: from where?  --freebsd is the one kind of mirror there is\n");
		return (EXIT_USAGE);
	}
	if (strlen(opt->args[0]) > 31 ||
	    strspn(opt->args[0], "0123456789.-ABCDEFGHIJKLMNOPQRSTUVWXYZp") != strlen(opt->args[0]) ||
	    !version_parse(opt->args[0], &v) || (v.kind != VERSION_RELEASE && v.kind != VERSION_BEFORE)) {
		fprintf(stderr, "errata: fetch: \"%s\" is no release such as 13.2-RELEASE\n", opt->args[0]);
		return (EXIT_USAGE);
	}
	snprintf(release, 32, "%s", opt->args[0]);
	if ((patch = strstr(release, "-p")) != NULL)
		*patch = '\0';
	t->release = release;
	/* The mirror names machines (uname -m), not processors. */
	t->arch = strcmp(arch_name(opt->args[1]), "aarch64") == 0 ? "arm64" : arch_name(opt->args[1]);
	if (t->arch[0] == '\0' || strlen(t->arch) > 15 ||
	    strspn(t->arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(t->arch)) {
		fprintf(stderr, "errata: fetch: \"%s\" is no architecture such as amd64\n", opt->args[1]);
		return (EXIT_USAGE);
	}
	if (opt->keyprint != NULL && (strlen(opt->keyprint) != 64 || strspn(opt->keyprint, "0123456789abcdef") != 64)) {
		fprintf(stderr, "errata: fetch: --keyprint: 64 digits of a SHA-256, in lower case, as KeyPrint in"
		    " freebsd-update.conf\n");
		return (EXIT_USAGE);
	}
	t->mirror = opt->mirror != NULL ? opt->mirror : MIRROR;
	return (EXIT_OK);
}

int
fetch_main(const struct options *opt)
{
	struct transfer t = { 0 };
	struct update_tag tag;
	struct update_index old = { 0 }, new = { 0 };
	struct buf text = { 0 }, indexes = { 0 }, old_text = { 0 }, new_text = { 0 };
	struct uverr err;
	char release[32], file[72];
	int status;

	if ((status = read_arguments(opt, &t, release)) != EXIT_OK)
		return (status);
	status = EXIT_NO;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (t.curl = curl_easy_init()) == NULL)
		text_oom();
	if (get_tag(&t, opt->keyprint != NULL ? opt->keyprint : KEYPRINT, &tag, &text, &err) != 0 ||
	    (opt->state != NULL && check_state(opt->state, &tag, &err) != 0))
		goto fail;
	snprintf(file, sizeof(file), "t/%s", tag.hash);
	if (get(&t, file, SMALL_MAX, &indexes, &err) != 0 || check_hash(file, buf_get(&indexes), tag.hash, &err) != 0 ||
	    get_index(&t, buf_get(&indexes), "INDEX-OLD", &old_text, &old, &err) != 0 ||
	    get_index(&t, buf_get(&indexes), "INDEX-NEW", &new_text, &new, &err) != 0 ||
	    (opt->state != NULL && file_write(opt->state, buf_get(&text), &err) != 0))
		goto fail;
	report(opt, &tag, &old, &new);
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	update_index_free(&old);
	update_index_free(&new);
	buf_free(&text);
	buf_free(&indexes);
	buf_free(&old_text);
	buf_free(&new_text);
	curl_easy_cleanup(t.curl);
	curl_global_cleanup();
	return (status);
}
