/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any bytes as a request on the control socket, up to where a command would be carried out.
 * Seeds: corpus/control.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "request.h"
#include "wgquick.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request req;
	struct uverr err = { .text = "" };
	struct config cfg;

	if (request_parse((const char *)data, size, &req, &err) != 0) {
		if (err.text[0] == '\0')
			abort();
		return (0);
	}
	if (req.cmd >= REQUEST_NCMDS)
		abort();
	if (req.cmd == REQUEST_CREATE) {
		if (config_parse(&cfg, req.file, req.text, strlen(req.text), &err) == 0)
			wgquick_load(&cfg, req.wireguard, 0, &err);
		config_free(&cfg);
	}
	request_free(&req);
	return (0);
}
