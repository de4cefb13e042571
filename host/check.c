/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading a configuration, and `vnet check`: what a configuration describes, or everything that is wrong with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "vnet.h"
#include "wgquick.h"

static int
name_cmp(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* How many links the interfaces are on. */
static size_t
links_count(const struct config *cfg, size_t ninterfaces)
{
	const char **names = calloc(ninterfaces + 1, sizeof(*names));
	size_t n = 0, links = 0;

	if (names == NULL)
		return (0);
	for (size_t i = 0; i < cfg->nvnets; i++)
		for (size_t j = 0; j < cfg->vnets[i].ninterfaces; j++)
			names[n++] = cfg->vnets[i].interfaces[j].link;
	qsort(names, n, sizeof(*names), name_cmp);
	for (size_t i = 0; i < n; i++)
		links += i == 0 || strcmp(names[i], names[i - 1]) != 0;
	free(names);
	return (links);
}

static void
summary(const struct config *cfg, int as_json)
{
	size_t interfaces = 0, forwards = 0, publishes = 0, links;
	json *j;
	char *text;

	for (size_t i = 0; i < cfg->nvnets; i++) {
		interfaces += cfg->vnets[i].ninterfaces;
		forwards += cfg->vnets[i].forwards.n;
		publishes += cfg->vnets[i].publishes.n;
	}
	links = links_count(cfg, interfaces);
	if (!as_json) {
		printf("%s: good: stacks %zu, links %zu, interfaces %zu, forwards %zu, publishes %zu\n", cfg->file,
		    cfg->nvnets, links, interfaces, forwards, publishes);
		return;
	}
	j = json_object();
	json_bool(j, "ok", 1);
	json_int(j, "stacks", (int64_t)cfg->nvnets);
	json_int(j, "links", (int64_t)links);
	json_int(j, "interfaces", (int64_t)interfaces);
	json_int(j, "forwards", (int64_t)forwards);
	json_int(j, "publishes", (int64_t)publishes);
	text = json_emit(j);
	if (text != NULL)
		puts(text);
	free(text);
	json_free(j);
}

/* The files of the tunnels, and what is to be said about them. */
static int
tunnels_load(struct config *cfg, unsigned flags)
{
	struct wgbuf notices = { 0 };
	struct uverr err;
	int error;

	error = wgquick_load(cfg, NULL, flags, &err);
	wgquick_notices(cfg, &notices);
	if (notices.s != NULL)
		complain(notices.s);
	wgbuf_free(&notices);
	if (error != 0)
		complain(err.text);
	return (error);
}

int
config_load(struct config *cfg, const char *file, unsigned flags)
{
	struct uverr err;
	char *text;
	size_t len;
	int error;

	*cfg = (struct config){ .file = file };
	error = config_read(file, CONFIG_MAXSIZE, &text, &len, &err);
	if (error != 0) {
		complain(err.text);
		return (error);
	}
	error = config_parse(cfg, file, text, len, &err);
	free(text);
	if (error != 0)
		complain(cfg->errors != NULL ? cfg->errors : err.text);
	else
		error = tunnels_load(cfg, flags);
	if (cfg->nerrors > CONFIG_MAXERRORS)
		fprintf(stderr, "vnet: %s: and %zu more\n", file, cfg->nerrors - CONFIG_MAXERRORS);
	return (error);
}

int
check_main(const struct options *opt)
{
	struct config cfg;
	int error;

	error = config_load(&cfg, opt->args[0], WGQUICK_DISK | WGQUICK_NAMES);
	if (error == 0)
		summary(&cfg, opt->json);
	config_free(&cfg);
	return (error == 0 ? EXIT_OK : EXIT_FAIL);
}
