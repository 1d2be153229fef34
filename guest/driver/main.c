// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: how they come, go, sleep and break, and their character devices /dev/cryptodev0 to 31.
 *
 * The device does what a program's ioctls ask for; this driver carries them there. See docs/virtio-
 * cryptodev.md for what passes between the two.
 */
#include <linux/cpuhotplug.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "chardev.h"
#include "config.h"
#include "data.h"
#include "queue.h"
#include "stats.h"
#include "virtio_cryptodev.h"

#define VCD_MAX_DEVICES	32

static unsigned int max_queues = 8;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "Queues of a device that are used, at most");

static dev_t vcd_devt;
static DEFINE_IDA(vcd_minors);
static enum cpuhp_state vcd_hotplug;

static struct class vcd_class = {
	.name = "cryptodev",
	.dev_groups = vcd_stats_groups,
};

static void vcd_device_release(struct device *dev)
{
	kfree(container_of(dev, struct vcd_device, dev));
}

/* The processor's vectors may have gone elsewhere with it. */
static int vcd_cpu_online(unsigned int cpu, struct hlist_node *node)
{
	vcd_spread_interrupts(hlist_entry(node, struct vcd_device, hotplug));
	return 0;
}

static int vcd_start(struct vcd_device *dev)
{
	int error;

	mutex_lock(&dev->lock);
	error = vcd_start_queues(dev);
	if (!error) {
		virtio_device_ready(dev->vdev);
		vcd_spread_interrupts(dev);
		/* Fails only where processors have to be told of the new one. */
		cpuhp_state_add_instance_nocalls(vcd_hotplug, &dev->hotplug);
		dev->running = true;
	}
	mutex_unlock(&dev->lock);
	return error;
}

static void vcd_stop(struct vcd_device *dev, int error)
{
	mutex_lock(&dev->lock);
	if (dev->running) {
		/* After this vcd_cpu_online is not called, nor under way, for these queues. */
		cpuhp_state_remove_instance_nocalls(vcd_hotplug, &dev->hotplug);
		vcd_stop_queues(dev, error);
	}
	dev->running = false;
	mutex_unlock(&dev->lock);
}

/*
 * A device that needs a reset answers nothing any more. It gets that; to use it again, bind the
 * driver anew.
 */
static void vcd_reset_work(struct work_struct *work)
{
	struct vcd_device *dev = container_of(work, struct vcd_device, reset_work);

	dev_err(&dev->vdev->dev, "the device needs a reset: all its sessions are lost\n");
	vcd_stop(dev, -EIO);
}

static void vcd_config_changed(struct virtio_device *vdev)
{
	struct vcd_device *dev = vdev->priv;

	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		queue_work(vcd_workqueue, &dev->reset_work);
}

static struct vcd_device *vcd_device_new(struct virtio_device *vdev,
					 const struct virtio_cryptodev_config *config)
{
	unsigned int queues = min3((unsigned int)le16_to_cpu(config->num_queues), max_queues ?: 1,
				   num_possible_cpus());
	struct vcd_device *dev = kzalloc(struct_size(dev, queues, queues), GFP_KERNEL);
	unsigned int i;

	if (!dev)
		return NULL;
	dev->vdev = vdev;
	dev->max_handles = le32_to_cpu(config->max_handles);
	dev->max_sessions = le32_to_cpu(config->max_sessions);
	dev->max_data_len = min_t(u32, le32_to_cpu(config->max_data_len), VCD_MAX_DATA);
	dev->max_auth_len = le32_to_cpu(config->max_auth_len);
	dev->max_key_len = le16_to_cpu(config->max_key_len);
	dev->max_mac_key_len = le16_to_cpu(config->max_mac_key_len);
	dev->queue_count = queues;
	for (i = 0; i < queues; i++) {
		spin_lock_init(&dev->queues[i].lock);
		INIT_LIST_HEAD(&dev->queues[i].backlog);
		snprintf(dev->queues[i].name, sizeof(dev->queues[i].name), "requests.%u", i);
	}
	mutex_init(&dev->lock);
	init_waitqueue_head(&dev->left);
	spin_lock_init(&dev->users_lock);
	INIT_LIST_HEAD(&dev->users);
	INIT_LIST_HEAD(&dev->waiting_users);
	INIT_WORK(&dev->reset_work, vcd_reset_work);
	device_initialize(&dev->dev);
	dev->dev.class = &vcd_class;
	dev->dev.parent = &vdev->dev;
	dev->dev.release = vcd_device_release;
	return dev;
}

static int vcd_probe(struct virtio_device *vdev)
{
	struct virtio_cryptodev_config config;
	struct vcd_device *dev;
	int error;

	error = vcd_read_config(vdev, &config);
	if (error)
		return error;
	dev = vcd_device_new(vdev, &config);
	if (!dev)
		return -ENOMEM;
	vdev->priv = dev;
	dev->minor = ida_alloc_max(&vcd_minors, VCD_MAX_DEVICES - 1, GFP_KERNEL);
	if (dev->minor < 0) {
		error = dev->minor;
		goto put;
	}
	error = dev_set_name(&dev->dev, "cryptodev%d", dev->minor);
	if (error)
		goto free_minor;
	error = vcd_start(dev);
	if (error)
		goto free_minor;
	dev->dev.devt = MKDEV(MAJOR(vcd_devt), dev->minor);
	cdev_init(&dev->cdev, &vcd_file_operations);
	dev->cdev.owner = THIS_MODULE;
	error = cdev_device_add(&dev->cdev, &dev->dev);
	if (error)
		goto stop;
	dev_info(&vdev->dev, "%s, engine %*pE, %u queues\n", dev_name(&dev->dev),
		 (int)strnlen(config.engine, sizeof(config.engine)), config.engine,
		 dev->queue_count);
	return 0;
stop:
	vcd_stop(dev, -ENODEV);
	cancel_work_sync(&dev->reset_work);
free_minor:
	ida_free(&vcd_minors, dev->minor);
put:
	put_device(&dev->dev);
	return error;
}

/* Files that are open stay, and fail whatever is asked of them. */
static void vcd_remove(struct virtio_device *vdev)
{
	struct vcd_device *dev = vdev->priv;

	cdev_device_del(&dev->cdev, &dev->dev);
	vcd_stop(dev, -ENODEV);
	cancel_work_sync(&dev->reset_work);
	ida_free(&vcd_minors, dev->minor);
	put_device(&dev->dev);
}

#ifdef CONFIG_PM_SLEEP
static int vcd_freeze(struct virtio_device *vdev)
{
	struct vcd_device *dev = vdev->priv;

	vcd_stop(dev, -ENODEV);
	/* It was for this life. */
	cancel_work_sync(&dev->reset_work);
	return 0;
}

static int vcd_restore(struct virtio_device *vdev)
{
	return vcd_start(vdev->priv);
}
#endif

static const unsigned int vcd_features[] = {
	VIRTIO_CRYPTODEV_F_HASH, VIRTIO_CRYPTODEV_F_MAC, VIRTIO_CRYPTODEV_F_AEAD,
	VIRTIO_CRYPTODEV_F_TLS, VIRTIO_CRYPTODEV_F_SRTP, VIRTIO_CRYPTODEV_F_CPHASH,
};

static const struct virtio_device_id vcd_ids[] = {
	{ VIRTIO_ID_CRYPTODEV, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_ID_CRYPTODEV_QEMU, VIRTIO_DEV_ANY_ID },
	{ },
};
MODULE_DEVICE_TABLE(virtio, vcd_ids);

static struct virtio_driver vcd_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = vcd_ids,
	.feature_table = vcd_features,
	.feature_table_size = ARRAY_SIZE(vcd_features),
	.probe = vcd_probe,
	.remove = vcd_remove,
	.config_changed = vcd_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = vcd_freeze,
	.restore = vcd_restore,
#endif
};

static int __init vcd_init(void)
{
	int error;

	BUILD_BUG_ON(sizeof(struct virtio_cryptodev_config) != 72);
	BUILD_BUG_ON(sizeof(struct virtio_cryptodev_request) != 48);
	BUILD_BUG_ON(sizeof(struct virtio_cryptodev_response) != 32);
	BUILD_BUG_ON(sizeof(struct virtio_cryptodev_session_info) != 264);

	vcd_workqueue = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!vcd_workqueue)
		return -ENOMEM;
	error = class_register(&vcd_class);
	if (error)
		goto destroy_workqueue;
	error = alloc_chrdev_region(&vcd_devt, 0, VCD_MAX_DEVICES, "cryptodev");
	if (error)
		goto unregister_class;
	error = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "crypto/virtio_cryptodev:online",
					vcd_cpu_online, NULL);
	if (error < 0)
		goto unregister_region;
	vcd_hotplug = error;
	error = register_virtio_driver(&vcd_driver);
	if (error)
		goto remove_hotplug;
	return 0;
remove_hotplug:
	cpuhp_remove_multi_state(vcd_hotplug);
unregister_region:
	unregister_chrdev_region(vcd_devt, VCD_MAX_DEVICES);
unregister_class:
	class_unregister(&vcd_class);
destroy_workqueue:
	destroy_workqueue(vcd_workqueue);
	return error;
}
module_init(vcd_init);

static void __exit vcd_exit(void)
{
	unregister_virtio_driver(&vcd_driver);
	cpuhp_remove_multi_state(vcd_hotplug);
	unregister_chrdev_region(vcd_devt, VCD_MAX_DEVICES);
	class_unregister(&vcd_class);
	/* Requests that nobody waited for any more may be on their way to being freed. */
	destroy_workqueue(vcd_workqueue);
	ida_destroy(&vcd_minors);
}
module_exit(vcd_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The cryptodev API of a virtio-cryptodev device");
MODULE_VERSION("1.0");
