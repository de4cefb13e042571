/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any text as a configuration.  It is parsed and checked, or refused with a sentence; what is accepted
 * keeps the promises of config.h.  Seeds: corpus/config.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config cfg;
	struct uverr err = { .text = "" };

	if (config_parse(&cfg, "fuzz", (const char *)data, size, &err) != 0) {
		if (err.text[0] == '\0' || cfg.errors == NULL)
			abort();
	} else {
		if (cfg.nvnets == 0 || cfg.errors != NULL)
			abort();
		for (size_t i = 0; i < cfg.nvnets; i++)
			if (!config_name_ok(cfg.vnets[i].name, sizeof(cfg.vnets[i].name)))
				abort();
	}
	config_free(&cfg);
	return (0);
}
