/* SPDX-License-Identifier: BSD-2-Clause */
/* A notice of FreeBSD's: security advisory (SA), errata notice (EN) or security notice (SN), read from signed text. */
#ifndef ERRATA_NOTICE_H
#define ERRATA_NOTICE_H

#include "text.h"
#include "verify.h"

/* A line of a block: what stands before its words, the words, its end. */
struct notice_line {
	struct slice indent, text, eol;
};

/*
 * The text is a row of blocks that leaves nothing out: written one behind the other they are the text again.
 *	free text	lines
 *	field		name ":" then the lines; the first line's indent is what stands behind the colon
 *	section		name (its number) "." then the lines; the first is the title
 */
struct notice_block {
	enum { BLOCK_TEXT, BLOCK_FIELD, BLOCK_SECTION } kind;
	int line;			/* number of its first line in the signed text, from 1 */
	struct slice name;
	struct notice_line *lines;
	size_t nlines;
};

/* A correction, put together from the field Corrected and the table of section VI. */
struct notice_fix {
	const char *branch;		/* "stable/13", "releng/13.2", "main", or "ports/..." */
	const char *version;		/* "13.2-RELEASE-p2", or "" */
	const char *date, *time;	/* "2023-08-01", "19:50:47", or "" */
	const char *hash;		/* "e3e6fc371322", or "" */
	const char *revision;		/* as the table has it: "releng/13.2-n254623", "r369552"; "" when by file (CVS) */
	long count;			/* the number behind the n, or 0 */
	int line, row;			/* where: in Corrected, in the table; 0: not there */
	size_t files;			/* rows of files (CVS) */
};

/* A row of a table by file. */
struct notice_file {
	const char *branch, *path, *revision;
	int line;
};

struct notice {
	struct arena arena;
	struct buf raw, text;		/* the file, the signed text */
	const char *path, *file;	/* of the file; the last part of it */
	struct verdict verdict;

	struct notice_block *blocks;
	size_t nblocks;

	const char *id;			/* "FreeBSD-EN-23:08.vnet", as the text says, else as the file's name does */
	char kind[3];			/* "EN", "SA", "SN", or "" */
	int year, number;		/* 2023, 8; 0: not known */
	const char *slug;		/* "vnet", or "" */
	int id_line;
	/* Fields in UTF-8, folded to one line each; "" when not there. */
	const char *topic, *category, *module, *announced, *revised, *credits, *affects;
	char date[11];			/* announced: "2023-08-01", or "" */

	struct notice_fix *fixes;
	size_t nfixes;
	struct notice_file *files;
	size_t nfiles;
	const char **cves, **urls, **patches, **mentions;	/* CVEs; all URLs; those of patches; ids of other notices */
	size_t ncves, nurls, npatches, nmentions;
	bool reboot;			/* the solution says that a reboot is needed */
};

/* Read and verify a file.  Never NULL on 0; a refused file (verdict) has no blocks. */
int notice_load(struct notice **n, const char *path, struct keyring *kr, struct uverr *err);
/* Parse text that was verified already; it is copied.  For notice_load() and tests. */
struct notice *notice_parse(struct slice text, const char *path);
void notice_free(struct notice *n);

/* The text again, from the blocks. */
void notice_print(const struct notice *n, struct buf *out);

/* The first field of a name, whatever the case, or NULL. */
const struct notice_block *notice_field(const struct notice *n, const char *name);
/* The first section whose title contains the word, whatever the case, or NULL. */
const struct notice_block *notice_section(const struct notice *n, const char *word);
/* A block's words in the arena, as UTF-8: folded to one line, or (a section's body) line by line. */
const char *block_folded(struct notice *n, const struct notice_block *b);
const char *block_body(struct notice *n, const struct notice_block *b);

/*
 * All notices of a folder (files *.asc, not in folders below) or a single file, sorted by date and name, newest first.
 * Files that cannot be read are reported on stderr and counted in *failed.
 */
struct notices {
	struct notice **v;
	size_t n, failed;
};
int notices_load(struct notices *all, const char *path, struct keyring *kr, struct uverr *err);
void notices_free(struct notices *all);
/* Sorted, newest first. */
void notices_sort(struct notices *all);

/* "FreeBSD-EN-23:08.vnet": is it an id?  Its parts, if wanted. */
bool notice_id_parse(struct slice id, char kind[3], int *year, int *number, struct slice *slug);

#endif
