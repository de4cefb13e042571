/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of src/kld must know of the machine: numbers of relocations, sentences about them. */
#ifndef KLD_TEST_MACHINE_H
#define KLD_TEST_MACHINE_H

#include <elf.h>
#include <link.h>

/* Relocations with addends, and where they are; 32-bit ARM has others. */
#define RELOCATIONS ".rela"
#define R_INFO(sym, type) ELF64_R_INFO((ElfW(Xword))(sym), type)
#define R_SYM(info) ELF64_R_SYM(info)
#define R_TYPE(info) ELF64_R_TYPE(info)
#define ADDEND(r) ((uintptr_t)(r)->r_addend)
#define R_DYN_GOT R_DYN(GLOB_DAT)
typedef ElfW(Rela) relocation_t;
#define DYN_RELSZ DT_RELASZ
#define DYN_OTHER DT_REL	/* the kind that the machine does not have */

/* Bits of a function's address that say what its code is. */
#define FUNC_BITS ((uintptr_t)0)

/* How a fault is told. */
#define READ_OF "read of "
#define WRITE_TO "write to "

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
#undef R_DYN_GOT
#define R_DYN_GOT R_DYN_WORD
#define R_DYN_TPOFF R_RISCV_TLS_TPREL64
#define FAR_DISTANCE "R_RISCV_32_PCREL against `.L0 ': the value does not fit in 32 bits"
#elif defined(__arm__)
#define LOADS_NOPIC
#define R_DYN(name) R_ARM_##name
#define R_DYN_WORD R_ARM_ABS32
#define R_DYN_TPOFF R_ARM_TLS_TPOFF32
#undef RELOCATIONS
#define RELOCATIONS ".rel"
#undef R_INFO
#define R_INFO(sym, type) ELF32_R_INFO(sym, type)
#undef R_SYM
#define R_SYM(info) ELF32_R_SYM(info)
#undef R_TYPE
#define R_TYPE(info) ELF32_R_TYPE(info)
#undef ADDEND
#define relocation_t ElfW(Rel)
#undef FUNC_BITS
#define FUNC_BITS ((uintptr_t)1)
#ifdef EMULATED		/* qemu-user does not say which */
#undef READ_OF
#define READ_OF "access to "
#undef WRITE_TO
#define WRITE_TO "access to "
#endif
#undef DYN_RELSZ
#define DYN_RELSZ DT_RELSZ
#undef DYN_OTHER
#define DYN_OTHER DT_RELA
#endif

#endif
