/* SPDX-License-Identifier: BSD-2-Clause */
/* Capstone: text of instructions, and the decoding where arm64.c's way does not serve. */
#ifndef KLDCHECK_PRINT_H
#define KLDCHECK_PRINT_H

#include "elf.h"

/* The instruction at p as text; buf always ends. */
void kc_print(const struct kc_elf *elf, const uint8_t *p, size_t n, uint64_t addr, char *buf, size_t size);

/* Capstone's handle for a file's machine, with details, made when first used; 0 when it has none. */
size_t kc_capstone(const struct kc_elf *elf);

#endif
