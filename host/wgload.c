/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wg-quick files that a configuration names: read before anything is made, so that a mistake in one costs nothing.
 *
 * `vnet run` and `vnet check` read them from the disk.  With `vnet create` the client reads them, as it reads the
 * configuration, looks up the names in them, and sends the texts along: the running one opens no file for anybody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "wgquick.h"

static int
text_take(int disk, const json *files, const char *path, char **text, size_t *len, struct uverr *err)
{
	const ucl_object_t *o;

	if (disk)
		return (config_read(path, WGQUICK_MAXSIZE, text, len, err));
	o = files != NULL ? ucl_object_lookup(files, path) : NULL;
	if (o == NULL)
		return (uverr(err, ENOENT, "%s: is not in the request", path));
	*text = strdup(ucl_object_tostring(o));
	if (*text == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	*len = strlen(*text);
	return (0);
}

static int
tunnel_load(struct config_vnet *cv, const json *files, unsigned flags, struct uverr *err)
{
	char *text;
	size_t len;
	int error;

	error = text_take((flags & WGQUICK_DISK) != 0, files, cv->wireguard, &text, &len, err);
	if (error != 0)
		return (error);
	if ((flags & (WGQUICK_DISK | WGQUICK_NAMES)) == WGQUICK_DISK)
		error = wgquick_resolve(cv->wireguard, &text, &len, err);
	if (error != 0)
		goto out;
	cv->wg = calloc(1, sizeof(*cv->wg));
	if (cv->wg == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto out;
	}
	flags |= cv->wg_skip ? WGQUICK_SKIP : 0;
	error = wgquick_parse(cv->wireguard, text, len, WGQUICK_STACK, flags, cv->wg, err);
	if (error != 0) {
		free(cv->wg);
		cv->wg = NULL;
	}
out:
	wgquick_wipe(text, len);
	return (error);
}

int
wgquick_load(struct config *cfg, const json *files, unsigned flags, struct uverr *err)
{
	struct config_vnet *cv;
	int error;

	for (cv = cfg->vnets; cv < cfg->vnets + cfg->nvnets; cv++) {
		if (cv->wireguard == NULL)
			continue;
		error = tunnel_load(cv, files, flags, err);
		if (error != 0) {
			uverr_prefix(err, "%s:%d: vnet \"%s\": wireguard", cfg->file, cv->line, cv->name);
			return (error);
		}
	}
	return (0);
}

void
wgquick_notices(const struct config *cfg, struct wgbuf *out)
{
	const struct config_vnet *cv;

	for (cv = cfg->vnets; cv < cfg->vnets + cfg->nvnets; cv++)
		if (cv->wg != NULL && cv->wg->notices != NULL)
			wgbuf_printf(out, "%s", cv->wg->notices);
}
