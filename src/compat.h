/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows differences between kernels.  Features are probed
 * (a macro or header that is there), versions are not compared: distributions
 * backport.
 */
#ifndef _QUARRY_COMPAT_H
#define _QUARRY_COMPAT_H

#include <linux/mmzone.h>
#include <linux/overflow.h>

/* MAX_ORDER was exclusive until it became MAX_PAGE_ORDER. */
#ifdef MAX_PAGE_ORDER
#define QUARRY_KERNEL_MAX_ORDER	MAX_PAGE_ORDER
#else
#define QUARRY_KERNEL_MAX_ORDER	(MAX_ORDER - 1)
#endif

#ifndef struct_size_t
#define struct_size_t(type, member, count) struct_size((type *)NULL, member, count)
#endif

#endif /* _QUARRY_COMPAT_H */
