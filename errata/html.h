/* SPDX-License-Identifier: BSD-2-Clause */
/* HTML and XML from texts that nobody vouches for. */
#ifndef ERRATA_HTML_H
#define ERRATA_HTML_H

#include "text.h"

/* Add UTF-8 text so that HTML and XML, between tags and in quoted attributes, show it and do nothing else with it. */
void html_text(struct buf *b, const char *text);
/* The same; URLs of http and https in it become links. */
void html_linked(struct buf *b, const char *text);
/* Is it such a URL, as a whole? */
bool html_url(const char *text);

/*
 * The start of a page, until behind <body>: its policy lets the browser load nothing and run only our own script, which
 * html_foot() adds if asked.
 */
void html_head(struct buf *b, const char *title);
void html_foot(struct buf *b, bool script);

#endif
