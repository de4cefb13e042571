/* SPDX-License-Identifier: BSD-2-Clause */
/* errata show: a notice as a page for the terminal. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "errata.h"
#include "overlay.h"

static const char *bold, *dim, *good, *bad, *off;

static void
colours(void)
{
	bool on = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;

	bold = on ? "\033[1m" : "";
	dim = on ? "\033[2m" : "";
	good = on ? "\033[32m" : "";
	bad = on ? "\033[1;31m" : "";
	off = on ? "\033[0m" : "";
}

void
put_text(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		/* C0, DEL, and C1 in UTF-8 (0xc2 0x80 to 0xc2 0x9f) would be orders to the terminal. */
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f) {
			putc('?', out);
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			putc('?', out);
			p++;
		} else {
			putc(*p, out);
		}
	}
}

/* A value wrapped at 78 columns, further lines indented like the first. */
static void
put_value(const char *name, const char *value)
{
	struct slice rest = slice_str(value), w;
	size_t col = 0;

	if (value[0] == '\0')
		return;
	printf("  %s%-11s%s ", dim, name, off);
	while ((w = slice_word(&rest)).n > 0) {
		if (col > 0 && col + 1 + w.n > 64) {
			printf("\n%14s", "");
			col = 0;
		} else if (col > 0) {
			putchar(' ');
			col++;
		}
		for (size_t i = 0; i < w.n; i++)	/* word by word: no blanks, and no orders to the terminal */
			put_text(stdout, (char[2]){ (char)w.p[i], '\0' });
		col += w.n;
	}
	putchar('\n');
}

static void
put_list(const char *name, const char **list, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_fmt(&b, "%s%s", i > 0 ? " " : "", list[i]);
	if (n > 0)
		put_value(name, b.p);
	buf_free(&b);
}

static void
put_fixes(const struct notice *n)
{
	bool hashes = false;

	if (n->nfixes == 0)
		return;
	for (size_t i = 0; i < n->nfixes; i++)
		hashes |= n->fixes[i].hash[0] != '\0';
	printf("\n  %sFixed in%s\n", bold, off);
	for (size_t i = 0; i < n->nfixes; i++) {
		const struct notice_fix *f = &n->fixes[i];
		char count[64];

		if (f->count > 0)
			snprintf(count, sizeof(count), "n%ld", f->count);
		else if (f->revision[0] != '\0')
			snprintf(count, sizeof(count), "%.60s", f->revision);
		else
			snprintf(count, sizeof(count), f->files > 0 ? "%zu files" : "", f->files);
		printf("    ");
		put_text(stdout, f->branch);
		printf("%*s", (int)(strlen(f->branch) < 14 ? 14 - strlen(f->branch) : 1), "");
		put_text(stdout, f->version);
		printf("%*s%-10s %-8s  ", (int)(strlen(f->version) < 18 ? 18 - strlen(f->version) : 1), "", f->date, f->time);
		if (hashes)
			printf("%-13s ", f->hash);
		put_text(stdout, count);
		putchar('\n');
	}
}

const char *
kind_name(const struct notice *n)
{
	return (strcmp(n->kind, "EN") == 0 ? "Errata Notice" : strcmp(n->kind, "SA") == 0 ? "Security Advisory" :
	    strcmp(n->kind, "SN") == 0 ? "Security Notice" : "Notice");
}

/* Free text between the fields, but for the frame of the page and the sentence that all notices have. */
static bool
worth_showing(const char *text)
{
	return (strstr(text, "=====") == NULL && strstr(text, "For general information") == NULL &&
	    text[strspn(text, " \t\r\n")] != '\0');
}

static void
put_sections(struct notice *n)
{
	static const char *const shown[] = { "Topic", "Category", "Module", "Modules", "Module(s)", "Announced", "Credits",
	    "Affects", "Corrected", "CVE Name", "CVE", "Revised" };

	for (size_t i = 0; i < n->nblocks; i++) {
		const struct notice_block *b = &n->blocks[i];
		const char *body;
		bool skip = false;

		if (b->kind == BLOCK_FIELD) {
			for (size_t k = 0; k < sizeof(shown) / sizeof(shown[0]); k++)
				skip |= slice_isi(b->name, shown[k]);
			if (!skip) {
				printf("\n  %s%.*s%s\n", bold, (int)b->name.n, b->name.p, off);
				body = block_body(n, b);
			}
		} else {
			body = block_body(n, b);
			skip = b->kind == BLOCK_TEXT && !worth_showing(body);
			if (b->kind == BLOCK_SECTION) {
				char *title = text_utf8(&n->arena, slice_trim(b->lines[0].text));

				printf("\n%s%.*s. ", bold, (int)b->name.n, b->name.p);
				put_text(stdout, title);
				printf("%s\n\n", off);
			} else if (!skip) {
				putchar('\n');
			}
		}
		if (skip)
			continue;
		for (const char *p = body, *end; *p != '\0'; p = end) {
			end = p + strcspn(p, "\n");
			end += *end == '\n';
			if (*p != '\n')
				printf("  ");
			put_text(stdout, arena_dup(&n->arena, (struct slice){ p, (size_t)(end - p) }));
		}
	}
}

static void
show(struct notice *n, const struct overlay *overlay, bool brief)
{
	const struct overlay_fact *fact = overlay_find(overlay, n->id);
	struct buf b = { 0 };
	char text[900];

	printf("%s", bold);
	put_text(stdout, n->id);
	printf("%s  %s%s%s%s\n", off, kind_name(n), n->date[0] != '\0' ? ", " : "", n->date, off);
	printf("%s", bold);
	put_text(stdout, n->topic);
	printf("%s\n\n", off);

	verdict_sentence(&n->verdict, text, sizeof(text));
	printf("%s", verdict_trusted(&n->verdict) ? good : n->verdict.status > VERDICT_UNCHECKED ? bad : "");
	put_value("Signature", text);
	printf("%s", off);
	buf_fmt(&b, "%s%s%s", n->category, n->category[0] != '\0' && n->module[0] != '\0' ? " / " : "", n->module);
	put_value("About", b.p);
	buf_free(&b);
	put_value("Announced", n->announced);
	put_value("Revised", n->revised);
	put_value("Credits", n->credits);
	put_value("Affects", n->affects);
	if (fact != NULL) {
		buf_str(&b, "only");
		for (size_t i = 0; i < fact->narchs; i++)
			buf_fmt(&b, "%s%s", i > 0 ? ", " : " ", fact->archs[i]);
		buf_fmt(&b, " (%s)", fact->why);
		if (fact->narchs > 0)
			put_value("Concerns", b.p);
		buf_free(&b);
	}
	put_list("CVE", n->cves, n->ncves);
	put_list("Patch", n->patches, n->npatches);
	if (n->reboot)
		put_value("Reboot", "required, as the kernel or its modules are updated");
	put_list("See also", n->mentions, n->nmentions);
	put_fixes(n);
	if (!brief)
		put_sections(n);
}

int
show_main(const struct options *opt)
{
	struct keyring *kr = NULL;
	struct overlay *overlay = NULL;
	struct notice *n;
	struct uverr err;
	int status = EXIT_OK;

	colours();
	if (options_keyring(opt, &kr, &err) != 0 || overlay_load(&overlay, opt->overlay, &err) != 0) {
		complain(&err);
		status = EXIT_NO;
		goto out;
	}
	for (int i = 0; i < opt->nargs; i++) {
		struct buf out = { 0 };

		if (notice_load(&n, opt->args[i], kr, &err) != 0) {
			complain(&err);
			status = EXIT_NO;
			continue;
		}
		if (n->verdict.status == VERDICT_REFUSED) {
			fprintf(stderr, "errata: %s: %s\n", opt->args[i], n->verdict.why);
			status = EXIT_NO;
		} else if (opt->json) {
			json_print(notice_json(n), stdout);
		} else if (opt->text) {
			notice_print(n, &out);
			fwrite(buf_get(&out).p, 1, out.n, stdout);
		} else {
			if (i > 0)
				printf("\n%s────────────────────────────────────────────────────────────────────────────%s\n\n",
				    dim, off);
			show(n, overlay, opt->brief);
		}
		if (n->verdict.status > VERDICT_UNSIGNED)
			status = EXIT_NO;
		buf_free(&out);
		notice_free(n);
	}
out:
	overlay_free(overlay);
	keyring_free(kr);
	return (status);
}
