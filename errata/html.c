/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of the site's pages, and the one way for text to get into them: html_text().
 *
 * Style and script are in the page, so that each is whole as a single file, and the content security policy names them
 * by their hashes: should a text ever get through as markup, the browser neither runs nor fetches what it says.
 */
#include <string.h>
#include <openssl/evp.h>
#include "html.h"

extern const char embed_style[], embed_style_end[], embed_script[], embed_script_end[];

static const struct slice replacement = { "\xef\xbf\xbd", 3 };		/* U+FFFD */

void
html_text(struct buf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t plain;

	for (; *p != '\0'; p++) {
		plain = 0;
		while (p[plain] > 0x3e || (p[plain] >= 0x20 && strchr("&<>\"'", p[plain]) == NULL) || p[plain] == '\n' ||
		    p[plain] == '\t') {
			if (p[plain] == 0x7f || p[plain] == 0xc2 || p[plain] == 0xef)	/* below */
				break;
			plain++;
		}
		if (plain > 0) {
			buf_add(b, p, plain);
			p += plain - 1;
			continue;
		}
		switch (*p) {
		case '&': buf_str(b, "&amp;"); break;
		case '<': buf_str(b, "&lt;"); break;
		case '>': buf_str(b, "&gt;"); break;
		case '"': buf_str(b, "&quot;"); break;
		case '\'': buf_str(b, "&#39;"); break;
		case '\r': break;
		case 0xc2:			/* C1 controls: U+0080 to U+009F */
			if (p[1] < 0xa0) {
				buf_slice(b, replacement);
				p += p[1] != '\0';
			} else {
				buf_add(b, p, 1);
			}
			break;
		case 0xef:			/* U+FFFE and U+FFFF are no characters, and no XML */
			if (p[1] == 0xbf && p[2] >= 0xbe) {
				buf_slice(b, replacement);
				p += 2;
			} else {
				buf_add(b, p, 1);
			}
			break;
		default: buf_slice(b, replacement);
		}
	}
}

/* How much of the text is a URL, from its first character on. */
static size_t
url_length(const char *p)
{
	size_t scheme = strncmp(p, "https://", 8) == 0 ? 8 : strncmp(p, "http://", 7) == 0 ? 7 : 0, n;

	if (scheme == 0)
		return (0);
	n = scheme + strspn(p + scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%/:.,?&=_~+#;@!-");
	while (n > scheme && strchr(".,;:?!", p[n - 1]) != NULL)
		n--;
	return (n > scheme ? n : 0);
}

bool
html_url(const char *text)
{
	size_t n = url_length(text);

	return (n > 0 && text[n] == '\0');
}

void
html_linked(struct buf *b, const char *text)
{
	struct buf part = { 0 };
	const char *p = text, *from = text;
	size_t n;

	for (; *p != '\0'; p++) {
		if (*p != 'h' || (n = url_length(p)) == 0)
			continue;
		part.n = 0;
		buf_add(&part, from, (size_t)(p - from));
		html_text(b, part.p);
		part.n = 0;
		buf_add(&part, p, n);
		buf_str(b, "<a rel=\"nofollow noreferrer\" href=\"");
		html_text(b, part.p);
		buf_str(b, "\">");
		html_text(b, part.p);
		buf_str(b, "</a>");
		from = p + n;
		p = from - 1;
	}
	html_text(b, from);
	buf_free(&part);
}

static void
hash_source(struct buf *b, const char *p, const char *end)
{
	unsigned char md[32], base64[48];
	unsigned n = 0;

	if (EVP_Digest(p, (size_t)(end - p), md, &n, EVP_sha256(), NULL) != 1 || n != sizeof(md))
		text_oom();
	EVP_EncodeBlock(base64, md, sizeof(md));
	buf_fmt(b, "'sha256-%s'", (char *)base64);
}

void
html_head(struct buf *b, const char *title)
{
	buf_str(b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none';"
	    " style-src ");
	hash_source(b, embed_style, embed_style_end);
	buf_str(b, "; script-src ");
	hash_source(b, embed_script, embed_script_end);
	buf_str(b, "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
	html_text(b, title);
	buf_str(b, "</title>\n<link rel=\"alternate\" type=\"application/atom+xml\" href=\"feed.xml\">\n<style>");
	buf_add(b, embed_style, (size_t)(embed_style_end - embed_style));
	buf_str(b, "</style>\n<body>\n");
}

void
html_foot(struct buf *b, bool script)
{
	buf_str(b, "<footer>Made by errata, which is not a work of the FreeBSD Project."
	    " Trust the signed originals.</footer>\n");
	if (script) {
		buf_str(b, "<script>");
		buf_add(b, embed_script, (size_t)(embed_script_end - embed_script));
		buf_str(b, "</script>\n");
	}
	buf_str(b, "</body>\n</html>\n");
}
