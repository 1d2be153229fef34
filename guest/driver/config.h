/* SPDX-License-Identifier: GPL-2.0-only */
/* A device's configuration space */
#ifndef CONFIG_H
#define CONFIG_H

#include <linux/virtio.h>

#include "virtio_cryptodev.h"

int vcd_read_config(struct virtio_device *vdev, struct virtio_cryptodev_config *config);

#endif /* CONFIG_H */
