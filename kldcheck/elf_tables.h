/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the two halves of the reader: elf.c (headers) and elf_tables.c (symbols, relocations, sets). */
#ifndef KLDCHECK_ELF_TABLES_H
#define KLDCHECK_ELF_TABLES_H

#include "elf.h"

uint64_t kc_word(const struct kc_elf *e, const uint8_t *p);
bool kc_in_file(const struct kc_elf *e, uint64_t off, uint64_t n);
const char *kc_string(const uint8_t *tab, uint64_t size, uint64_t off);
int kc_elf_tables(struct kc_elf *e, uint64_t dynaddr, uint64_t dynsize, char *why, size_t n);

#endif
