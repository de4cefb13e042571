/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Am I affected?
 *
 * FreeBSD has three versions: of the installed kernel (freebsd-version -k), of the kernel that runs (-r) and of the
 * userland (-u).  Every update raises -u, but -k only when the kernel changes: so a notice about the kernel is judged
 * by -k, one about the userland by -u, and a fixed -k with an old -r wants a reboot.
 *
 * For one version:
 *	RELEASE   the notice has a line for releng/X.Y: fixed from that line's -pN on
 *	          no line, but stable/X was mended while it was called X.Z and Z < Y: releng/X.Y was branched after that
 *	          no line, outside of Affects: not affected
 *	          no line, newer than all: likely fixed;  otherwise out of support then: unknown, never "safe"
 *	STABLE    n-numbers are compared, within one branch only; without both, unknown
 * The architecture is no field; where a notice concerns few, the overlay says which.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "affects.h"

static const char *const names[] = {
	[AFFECTS_NOT] = "not affected", [AFFECTS_FIXED] = "fixed", [AFFECTS_UNKNOWN] = "unknown",
	[AFFECTS_REBOOT] = "reboot required", [AFFECTS_YES] = "affected"
};

const char *
affects_name(enum affects_answer a)
{
	return (names[a]);
}

/* "13.2", "13.x", "4.6.2-RELEASE": false when it is none; minor -1: any. */
static bool
affects_version(struct slice w, int *major, int *minor)
{
	size_t i = 0;

	*major = *minor = 0;
	while (i < w.n && isdigit((unsigned char)w.p[i]) && i < 3)
		*major = *major * 10 + (w.p[i++] - '0');
	if (i == 0 || i + 1 >= w.n || w.p[i++] != '.')
		return (false);
	if (w.p[i] == 'x' || w.p[i] == '*') {
		*minor = -1;
		return (i + 1 == w.n);
	}
	if (!isdigit((unsigned char)w.p[i]))
		return (false);
	while (i < w.n && isdigit((unsigned char)w.p[i]) && *minor < 1000)
		*minor = *minor * 10 + (w.p[i++] - '0');
	return (i == w.n || slice_is(slice_from(w, i), "-RELEASE"));
}

int
affects_covers(const char *affects, int major, int minor, bool *all)
{
	struct slice rest = slice_str(affects), w, next, peek;
	bool covers = false, any = false;
	int ma, mi;

	*all = strncmp(affects, "All supported ", 14) == 0 || strncmp(affects, "All FreeBSD ", 12) == 0 ||
	    strncmp(affects, "All versions", 12) == 0;
	if (*all)
		return (strpbrk(affects, "0123456789") == NULL ? 1 : -1);
	while ((w = slice_word(&rest)).n > 0) {
		while (w.n > 0 && strchr(",.", w.p[w.n - 1]) != NULL)
			w.n--;
		if (slice_is(w, "FreeBSD") || slice_is(w, "and") || w.n == 0)
			continue;
		if (!affects_version(w, &ma, &mi))
			return (-1);
		any = true;
		next = rest;
		if (slice_is(slice_word(&next), "and") &&
		    (peek = slice_word(&next), slice_starts(peek, "later"))) {
			covers |= major > ma || (major == ma && (mi == -1 || minor >= mi));
			rest = next;
		} else {
			covers |= major == ma && (mi == -1 || minor == mi);
		}
	}
	return (any ? covers : -1);
}

struct component
notice_component(struct notice *n, const struct overlay_fact *fact)
{
	const struct notice_block *b = notice_section(n, "Solution");
	struct component c = { 0 };
	const char *body;

	if (fact != NULL && fact->component[0] != '\0') {
		c.kernel = strcmp(fact->component, "kernel") == 0;
		c.user = !c.kernel;
		return (c);
	}
	if (strcasecmp(n->category, "ports") == 0 || strcmp(n->kind, "SN") == 0) {
		c.ports = true;
		return (c);
	}
	if (b != NULL) {
		body = block_body(n, b);
		c.kernel = strcasestr(body, "recompile your kernel") != NULL || strcasestr(body, "rebuild your kernel") != NULL ||
		    strcasestr(body, "kernelconfig") != NULL;
		c.user = strcasestr(body, "makeworld") != NULL || strcasestr(body, "buildworld") != NULL ||
		    strcasestr(body, "make install") != NULL || strcasestr(body, "recompile the operating system") != NULL;
	}
	for (size_t i = 0; i < n->nfiles; i++) {
		const char *p = n->files[i].path;

		if (strstr(p, "newvers.sh") != NULL || strstr(p, "UPDATING") != NULL)
			continue;
		if (strncmp(p, "src/sys/", 8) == 0)
			c.kernel = true;
		else if (strncmp(p, "src/", 4) == 0)
			c.user = true;
	}
	if (!c.kernel && !c.user) {
		c.kernel = strcasecmp(n->module, "kernel") == 0 || n->reboot;
		c.user = !c.kernel;
	}
	return (c);
}

static const struct notice_fix *
fix_of(const struct notice *n, const char *branch)
{
	const struct notice_fix *found = NULL;

	/* A branch can have several lines (one a vulnerability); the last correction counts. */
	for (size_t i = 0; i < n->nfixes; i++) {
		struct version a, b;

		if (strcmp(n->fixes[i].branch, branch) != 0)
			continue;
		if (found == NULL || (version_parse(n->fixes[i].version, &a) && version_parse(found->version, &b) &&
		    a.kind == VERSION_RELEASE && (b.kind != VERSION_RELEASE || a.patch > b.patch)) ||
		    n->fixes[i].count > found->count)
			found = &n->fixes[i];
	}
	return (found);
}

static enum affects_answer
judge_release(struct notice *n, const struct version *v, char reason[512])
{
	const struct notice_fix *f = fix_of(n, v->branch);
	struct version fixed;
	char stable[32];
	bool all, newest = n->nfixes > 0;
	int covers;

	if (f != NULL && f->version[0] == '\0' && f->date[0] == '\0') {
		snprintf(reason, 512, "%s was mended in revision %s, but the notice does not say which patch level has it.",
		    v->branch, f->revision);
		return (AFFECTS_UNKNOWN);
	}
	if (f != NULL && f->version[0] != '\0' && version_parse(f->version, &fixed)) {
		if (fixed.kind == VERSION_RELEASE && v->patch < fixed.patch) {
			snprintf(reason, 512, "%s lacks the fix, which came with %s.", v->text, fixed.text);
			return (AFFECTS_YES);
		}
		if (fixed.kind == VERSION_RELEASE && fixed.patch > 0 && v->patch == fixed.patch)
			snprintf(reason, 512, "%s is the patch level that brought the fix.", v->text);
		else
			snprintf(reason, 512, "%s has the fix, which came with %s.", v->text, fixed.text);
		return (AFFECTS_FIXED);
	}
	if (f != NULL) {
		snprintf(reason, 512, "%s was mended on %s, but the notice does not say which patch level has it.",
		    v->branch, f->date);
		return (AFFECTS_UNKNOWN);
	}
	snprintf(stable, sizeof(stable), "stable/%d", v->major);
	f = fix_of(n, stable);
	if (f != NULL && version_parse(f->version, &fixed) && fixed.major == v->major && v->minor > fixed.minor) {
		snprintf(reason, 512, "%s was branched from %s after that had been mended as %s.", v->branch, stable,
		    fixed.text);
		return (AFFECTS_FIXED);
	}
	covers = affects_covers(n->affects, v->major, v->minor, &all);
	if (covers == 0) {
		snprintf(reason, 512, "%d.%d is not among what it affects: %.300s", v->major, v->minor, n->affects);
		return (AFFECTS_NOT);
	}
	for (size_t i = 0; i < n->nfixes; i++)
		newest &= version_parse(n->fixes[i].version, &fixed) && (v->major > fixed.major ||
		    (v->major == fixed.major && v->minor > fixed.minor));
	if (newest) {
		snprintf(reason, 512, "Likely: %d.%d is newer than every version that the notice corrects.", v->major,
		    v->minor);
		return (AFFECTS_FIXED);
	}
	if (covers == 1 && !all) {
		snprintf(reason, 512, "Affects names it (%.200s), and no correction of %s is listed.", n->affects, v->branch);
		return (AFFECTS_YES);
	}
	snprintf(reason, 512, "%s is not mentioned; it was out of support or did not exist when this was announced (%s).",
	    v->branch, n->date);
	return (AFFECTS_UNKNOWN);
}

static enum affects_answer
judge_branch(struct notice *n, const struct version *v, char reason[512])
{
	const struct notice_fix *f = fix_of(n, v->branch);
	bool all, major = false;
	int covers;

	if (f == NULL) {
		for (int minor = 0; minor < 30 && !major; minor++)
			major = affects_covers(n->affects, v->major, minor, &all) != 0;
		covers = affects_covers(n->affects, v->major, 0, &all);
		if (covers == 0 && !major) {
			snprintf(reason, 512, "No %d.x is among what it affects: %.300s", v->major, n->affects);
			return (AFFECTS_NOT);
		}
		snprintf(reason, 512, "The notice has no correction of %s.", v->branch);
	} else if (f->count == 0) {
		snprintf(reason, 512, "%s was mended on %s in %s, which cannot be compared with %s.", v->branch,
		    f->date[0] != '\0' ? f->date : "a day not told", f->revision[0] != '\0' ? f->revision : "files", v->text);
	} else if (v->count == 0) {
		snprintf(reason, 512, "%s has the fix from n%ld on; give the count of yours with the version (uname -v).",
		    v->branch, f->count);
	} else if (v->count_branch[0] != '\0' && strcmp(v->count_branch, v->branch) != 0) {
		snprintf(reason, 512, "n%ld counts commits of %s, the fix those of %s: these do not compare.", v->count,
		    v->count_branch, v->branch);
	} else if (v->count >= f->count) {
		snprintf(reason, 512, "n%ld of %s has the fix, which is n%ld.", v->count, v->branch, f->count);
		return (AFFECTS_FIXED);
	} else {
		snprintf(reason, 512, "n%ld of %s lacks the fix, which is n%ld.", v->count, v->branch, f->count);
		return (AFFECTS_YES);
	}
	return (AFFECTS_UNKNOWN);
}

static enum affects_answer
judge_version(struct notice *n, const struct version *v, char reason[512])
{
	return (v->kind == VERSION_RELEASE ? judge_release(n, v, reason) : judge_branch(n, v, reason));
}

static enum affects_answer
judge_kernel(struct notice *n, const struct machine *m, char reason[512])
{
	char running[512];
	enum affects_answer a;

	if (m->kernel == NULL && m->running == NULL) {
		snprintf(reason, 512, "It is about the kernel, whose version was not given (--kernel, --running).");
		return (AFFECTS_UNKNOWN);
	}
	if (m->kernel == NULL)
		return (judge_version(n, m->running, reason));
	a = judge_version(n, m->kernel, reason);
	if (a == AFFECTS_FIXED && m->running != NULL && judge_version(n, m->running, running) == AFFECTS_YES) {
		snprintf(reason, 512, "The installed kernel %s has the fix, but %s runs, which lacks it.", m->kernel->text,
		    m->running->text);
		return (AFFECTS_REBOOT);
	}
	return (a);
}

static enum affects_answer
judge_user(struct notice *n, const struct machine *m, char reason[512])
{
	if (m->user == NULL) {
		snprintf(reason, 512, "It is about the userland, whose version was not given (--user).");
		return (AFFECTS_UNKNOWN);
	}
	return (judge_version(n, m->user, reason));
}

enum affects_answer
affects_judge(struct notice *n, const struct machine *m, const struct overlay_fact *fact, char reason[512])
{
	struct component c = notice_component(n, fact);
	enum affects_answer a = AFFECTS_NOT, b;
	char other[512], archs[64] = "";
	bool concerned = false;

	if (n->nblocks == 0) {
		snprintf(reason, 512, "Nothing in the file can be read: %.400s", n->verdict.why);
		return (AFFECTS_UNKNOWN);
	}
	if (c.ports) {
		snprintf(reason, 512, "It is about the Ports Collection: pkg-audit(8) knows what is installed.");
		return (AFFECTS_UNKNOWN);
	}
	for (size_t i = 0; fact != NULL && i < fact->narchs; i++) {
		snprintf(archs + strlen(archs), sizeof(archs) - strlen(archs), "%s%s", i > 0 ? ", " : "", fact->archs[i]);
		concerned |= m->arch != NULL && strcmp(fact->archs[i], arch_name(m->arch)) == 0;
	}
	if (archs[0] != '\0' && m->arch != NULL && !concerned) {
		snprintf(reason, 512, "Only %s is concerned (%.300s), and this is %s.", archs, fact->why, arch_name(m->arch));
		return (AFFECTS_NOT);
	}
	if (c.kernel)
		a = judge_kernel(n, m, reason);
	if (c.user) {
		b = judge_user(n, m, other);
		if (!c.kernel || b > a) {
			a = b;
			memcpy(reason, other, 512);
		}
	}
	if (a >= AFFECTS_REBOOT && archs[0] != '\0' && m->arch == NULL) {
		snprintf(other, sizeof(other), "Affected if this is %s (--arch): %.400s", archs, reason);
		memcpy(reason, other, 512);
		return (AFFECTS_UNKNOWN);
	}
	return (a);
}
