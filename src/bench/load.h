/* SPDX-License-Identifier: GPL-2.0 */
/* Traces from files. */
#ifndef _QUARRY_BENCH_LOAD_H
#define _QUARRY_BENCH_LOAD_H

struct quarry_trace;

/*
 * Read and parse a file; the log says what is wrong with it.
 * Return: the trace, for quarry_trace_free(), or ERR_PTR: %-ENOENT only if there is no such file
 * and @optional, about which the log says nothing.
 */
struct quarry_trace *quarry_bench_load(const char *path, bool optional);

/*
 * The trace of a case: NAME.trace in the directory that the parameter traces= names.
 * Return: as above, %-ENOENT if there is no such file.
 */
struct quarry_trace *quarry_bench_load_named(const char *name);

#endif /* _QUARRY_BENCH_LOAD_H */
