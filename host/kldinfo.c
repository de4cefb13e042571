/* SPDX-License-Identifier: BSD-2-Clause */
/* `vnet kldinfo`: what a module's file is, without loading it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/minisign.h>
#include <uvnet/module.h>
#include "vnet.h"

static const char *const classes[] = {
	[KLD_SYM_FUNC] = "function", [KLD_SYM_OBJECT] = "variable", [KLD_SYM_VNET] = "virtual",
	[KLD_SYM_PCPU] = "per-CPU", [KLD_SYM_TLS] = "thread-local", [KLD_SYM_OTHER] = "symbol",
};
static const char *const metas[] = {
	[MDT_DEPEND] = "depend", [MDT_MODULE] = "module", [MDT_VERSION] = "version",
};

static json *
symbols_json(const struct kld_symbolinfo *sym, size_t n)
{
	json *list = json_list(), *j;

	for (size_t i = 0; i < n; i++) {
		j = json_object();
		json_str(j, "name", sym[i].name);
		json_str(j, "class", classes[sym[i].class]);
		json_bool(j, "weak", sym[i].weak);
		json_int(j, "size", (int64_t)sym[i].size);
		json_append(list, j);
	}
	return (list);
}

static void
print_json(const struct kld_fileinfo *info, const struct minisign_signature *sig, int verified)
{
	json *j = json_object(), *list = json_list(), *m;
	char *text, id[17];

	json_bool(j, "ok", 1);
	json_str(j, "name", info->name);
	json_str(j, "machine", info->machine);
	json_str(j, "kind", info->kind);
	if (sig != NULL) {
		minisign_id(sig->id, id);
		json_str(j, "signed_by", id);
		json_str(j, "signature_comment", sig->comment);
		json_bool(j, "signature_verified", verified);
	}
	json_int(j, "text_size", (int64_t)info->text_size);
	json_int(j, "rodata_size", (int64_t)info->rodata_size);
	json_int(j, "data_size", (int64_t)info->data_size);
	json_int(j, "vnet_size", (int64_t)info->vnet_size);
	json_int(j, "pcpu_size", (int64_t)info->pcpu_size);
	json_int(j, "relocations", (int64_t)info->relocations);
	json_int(j, "slots", (int64_t)info->slots);
	for (size_t i = 0; i < info->nmeta; i++) {
		m = json_object();
		json_str(m, "type", metas[info->meta[i].type]);
		json_str(m, "name", info->meta[i].name);
		json_int(m, "min", info->meta[i].min);
		json_int(m, "preferred", info->meta[i].preferred);
		json_int(m, "max", info->meta[i].max);
		json_append(list, m);
	}
	json_put(j, "metadata", list);
	json_put(j, "imports", symbols_json(info->imports, info->nimports));
	json_put(j, "exports", symbols_json(info->exports, info->nexports));
	text = json_emit(j);
	if (text != NULL)
		puts(text);
	free(text);
	json_free(j);
}

static void
print_symbols(const char *title, const struct kld_symbolinfo *sym, size_t n)
{
	printf("%s %zu\n", title, n);
	for (size_t i = 0; i < n; i++)
		printf("  %-12s %8zu  %s%s\n", classes[sym[i].class], sym[i].size, sym[i].name, sym[i].weak ? " (weak)" : "");
}

/* A comment is what somebody wrote: on a terminal it is no more than text. */
static void
print_signature(const struct minisign_signature *sig, int verified)
{
	char id[17];

	if (sig == NULL) {
		printf("not signed\n");
		return;
	}
	minisign_id(sig->id, id);
	printf("signed by key %s (%s): ", id, verified ? "verified" : "not verified: --require-signed PUB does");
	for (const char *c = sig->comment; *c != '\0'; c++)
		putchar(*c >= ' ' && *c < 127 ? *c : '?');
	putchar('\n');
}

static void
print_text(const struct kld_fileinfo *info)
{
	printf("%s: %s module for %s\n", info->name, info->kind, info->machine);
	for (size_t i = 0; i < info->nmeta; i++) {
		const struct kld_metainfo *m = &info->meta[i];

		printf("  %-8s %s", metas[m->type], m->name);
		if (m->type == MDT_VERSION)
			printf(" %d", m->min);
		if (m->type == MDT_DEPEND)
			printf(" %d to %d, best %d", m->min, m->max, m->preferred);
		printf("\n");
	}
	printf("bytes: code %zu, read-only %zu, data %zu, virtual %zu, per-CPU %zu\n", info->text_size, info->rodata_size,
	    info->data_size, info->vnet_size, info->pcpu_size);
	printf("relocations %zu, slots left by relaxation %zu\n", info->relocations, info->slots);
	print_symbols("imports", info->imports, info->nimports);
	print_symbols("exports", info->exports, info->nexports);
}

int
kldinfo_main(const struct options *opt)
{
	struct kld_fileinfo *info;
	struct uverr err;

	if (signed_require(opt->key, &err) != 0 || kld_fileinfo(opt->args[0], &info, &err) != 0) {
		complain(err.text);
		return (EXIT_FAIL);
	}
	if (opt->json) {
		print_json(info, signed_last(), opt->key != NULL);
	} else {
		print_text(info);
		print_signature(signed_last(), opt->key != NULL);
	}
	kld_fileinfo_free(info);
	return (EXIT_OK);
}
