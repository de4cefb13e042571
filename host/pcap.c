/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `--pcap DIR`: what goes over a link, in DIR/LINK.pcap.
 *
 * A watcher on one end sees both directions, so one worker alone writes the file; when that end goes, the other
 * takes over, with all workers stopped.  Both ends of a captured link compute checksums, which otherwise nobody
 * inside the process needs, so that what is captured looks like what a wire would carry.
 *
 * A file is opened when its link is first made and stays open until the end, so that a link that goes and comes
 * again does not wipe out what was captured before.  It is flushed at most a second after a packet.
 */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include "stack.h"

#define CAPTURE_SNAPLEN 65535
#define CAPTURE_FLUSH 1000000000	/* ns */

struct capture {
	SLIST_ENTRY(capture) c_le;
	struct delay c_flush;
	pcap_dumper_t *c_dumper;
	struct end *c_end;		/* the one that is watched, and its worker; NULL: none */
	struct worker *c_worker;
	char *c_path;
	char c_link[VNET_NAMELEN];
};

static SLIST_HEAD(, capture) captures = SLIST_HEAD_INITIALIZER(captures);
static const char *captures_dir;

int
captures_init(const char *dir, struct uverr *err)
{
	if (dir != NULL && mkdir(dir, 0777) != 0 && errno != EEXIST)
		return (uverr(err, errno, "%s: %s", dir, strerror(errno)));
	captures_dir = dir;
	return (0);
}

int
captures_wanted(void)
{
	return (captures_dir != NULL);
}

/* Write out what is buffered; a full disk ends the capture, and is said once. */
static void
capture_flush(struct capture *c)
{
	int error;

	if (c->c_dumper == NULL)
		return;
	errno = EIO;	/* of an earlier write nobody knows any more */
	error = pcap_dump_flush(c->c_dumper) != 0 || ferror(pcap_dump_file(c->c_dumper));
	if (error) {
		fprintf(stderr, "vnet: %s: %s; the capture ends here\n", c->c_path, strerror(errno));
		pcap_dump_close(c->c_dumper);
		c->c_dumper = NULL;
	}
}

static void
capture_delayed(struct delay *d)
{
	capture_flush((struct capture *)((char *)d - offsetof(struct capture, c_flush)));
}

/* Inside the stack. */
static void
capture_packet(void *arg, const struct pkt *p, enum if_tap_dir dir)
{
	struct capture *c = arg;
	struct pcap_pkthdr hdr = { .caplen = p->p_len, .len = p->p_len };

	(void)dir;
	if (c->c_dumper == NULL)
		return;
	gettimeofday(&hdr.ts, NULL);
	pcap_dump((u_char *)c->c_dumper, &hdr, p->p_data);
	if (ferror(pcap_dump_file(c->c_dumper)))	/* pcap_dump() does not say: the disk is full */
		capture_flush(c);
	else
		worker_delay(c->c_worker, &c->c_flush, CAPTURE_FLUSH);
}

int
capture_open(const char *link, struct capture **capture, struct uverr *err)
{
	struct capture *c;
	pcap_t *dead;
	int error;

	SLIST_FOREACH (c, &captures, c_le) {
		if (strcmp(c->c_link, link) == 0) {
			*capture = c;
			return (0);
		}
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	c->c_flush.d_func = capture_delayed;
	strncpy(c->c_link, link, sizeof(c->c_link) - 1);
	if (asprintf(&c->c_path, "%s/%s.pcap", captures_dir, link) < 0) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail;
	}
	dead = pcap_open_dead(DLT_EN10MB, CAPTURE_SNAPLEN);
	if (dead == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto fail_path;
	}
	c->c_dumper = pcap_dump_open(dead, c->c_path);
	if (c->c_dumper == NULL) {
		error = uverr(err, EIO, "%s", pcap_geterr(dead));
		goto fail_dead;
	}
	pcap_close(dead);
	pcap_dump_flush(c->c_dumper);	/* the header: a valid file even without packets */
	SLIST_INSERT_HEAD(&captures, c, c_le);
	*capture = c;
	return (0);
fail_dead:
	pcap_close(dead);
fail_path:
	free(c->c_path);
fail:
	free(c);
	return (error);
}

static void
tap_set(const struct end *e, if_tap_fn_t *fn, void *arg)
{
	CURVNET_SET(e->e_stack->st_vnet);
	inet->if_settap(e->e_ifp, fn, arg);
	CURVNET_RESTORE();
}

void
capture_tap(struct capture *c, struct end *e)
{
	if (c->c_end == e)
		return;
	if (c->c_end != NULL) {
		tap_set(c->c_end, NULL, NULL);
		worker_undelay(c->c_worker, &c->c_flush);
		capture_flush(c);
	}
	c->c_end = e;
	if (e != NULL) {
		c->c_worker = e->e_stack->st_worker;
		tap_set(e, capture_packet, c);
	}
}

/* After all stacks: no end is watched any more. */
void
captures_fini(void)
{
	struct capture *c;

	while ((c = SLIST_FIRST(&captures)) != NULL) {
		SLIST_REMOVE_HEAD(&captures, c_le);
		capture_flush(c);
		if (c->c_dumper != NULL)
			pcap_dump_close(c->c_dumper);
		free(c->c_path);
		free(c);
	}
}
