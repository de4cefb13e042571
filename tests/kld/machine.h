/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of src/kld must know of the machine: numbers of relocations, sentences about them. */
#ifndef KLD_TEST_MACHINE_H
#define KLD_TEST_MACHINE_H

#include <elf.h>

#if defined(__x86_64__)
#define R_DYN(name) R_X86_64_##name
#define R_DYN_WORD R_X86_64_64
#define R_DYN_TPOFF R_X86_64_TPOFF64
#define FAR_DISTANCE "R_X86_64_PC32 against `.text': more than 2 GiB away"
#elif defined(__aarch64__)
#define LOADS_NOPIC	/* code without -fPIC reaches the whole window */
#define R_DYN(name) R_AARCH64_##name
#define R_DYN_WORD R_AARCH64_ABS64
#define R_DYN_TPOFF R_AARCH64_TLS_TPREL
#define FAR_DISTANCE "R_AARCH64_PREL32 against `.text': the value does not fit in 32 bits"
#elif defined(__riscv)
#define R_DYN(name) R_RISCV_##name
#define R_DYN_WORD R_RISCV_64
#define R_DYN_TPOFF R_RISCV_TLS_TPREL64
#define FAR_DISTANCE "R_RISCV_32_PCREL against `.L0 ': the value does not fit in 32 bits"
#endif

#endif
