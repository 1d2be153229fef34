/* SPDX-License-Identifier: GPL-2.0-only */
/* What queues have counted */
#ifndef STATS_H
#define STATS_H

#include <linux/sysfs.h>

extern const struct attribute_group *vcd_stats_groups[];

#endif /* STATS_H */
