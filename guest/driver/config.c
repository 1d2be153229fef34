// SPDX-License-Identifier: GPL-2.0-only
/* The configuration space: what it must be for the device to be used */
#include <linux/pci.h>
#include <linux/virtio_config.h>
#include <uapi/linux/virtio_pci.h>

#include "config.h"

/*
 * How long it is, where that can be known. Virtio over PCI knows, does not tell, and has a BUG for
 * who reads on: so this asks the device, as that did. What has more than one answer has the least.
 */
static u32 vcd_config_len(const struct virtio_device *vdev)
{
	u32 least = U32_MAX, len;
	struct pci_dev *pci;
	u8 at, type;

	if (!dev_is_pci(vdev->dev.parent))
		return least;
	pci = to_pci_dev(vdev->dev.parent);
	for (at = pci_find_capability(pci, PCI_CAP_ID_VNDR); at;
	     at = pci_find_next_capability(pci, at, PCI_CAP_ID_VNDR)) {
		pci_read_config_byte(pci, at + offsetof(struct virtio_pci_cap, cfg_type), &type);
		if (type != VIRTIO_PCI_CAP_DEVICE_CFG)
			continue;
		pci_read_config_dword(pci, at + offsetof(struct virtio_pci_cap, length), &len);
		least = min(least, len);
	}
	return least;
}

/* -ENODEV for a device that is none to use */
int vcd_read_config(struct virtio_device *vdev, struct virtio_cryptodev_config *config)
{
	u32 len = vcd_config_len(vdev);

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "not a VIRTIO 1 device\n");
		return -ENODEV;
	}
	if (!vdev->config->get || len < sizeof(*config)) {
		dev_err(&vdev->dev, "its configuration space is missing or too short\n");
		return -ENODEV;
	}
	virtio_cread_bytes(vdev, 0, config, sizeof(*config));
	if (!config->version || !config->num_queues) {
		dev_err(&vdev->dev, "version %u and %u queues: not a device to use\n",
			le16_to_cpu(config->version), le16_to_cpu(config->num_queues));
		return -ENODEV;
	}
	return 0;
}
