/* Counters of threads and processes in Linux's layout. */
#ifndef ABI_USAGE_H
#define ABI_USAGE_H

#include "process.h"

long shim_usage_put(vaddr_t to, const struct proc_usage *usage) must_check;

#endif
