// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files, from open to when the last of their asynchronous operations has ended, which may be
 * after close.
 */
#include <linux/slab.h>

#include "file.h"
#include "queue.h"

static void vcd_file_free(struct kref *ref)
{
	struct vcd_file *file = container_of(ref, struct vcd_file, ref);

	vcd_user_close(file->user);
	put_device(&file->dev->dev);
	kfree(file);
}

void vcd_file_put(struct vcd_file *file)
{
	kref_put(&file->ref, vcd_file_free);
}

/* Of this process's user: as vcd_user_open */
struct vcd_file *vcd_file_new(struct vcd_device *dev)
{
	struct vcd_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	struct vcd_user *user;

	if (!file)
		return ERR_PTR(-ENOMEM);
	user = vcd_user_open(dev);
	if (IS_ERR(user)) {
		kfree(file);
		return ERR_CAST(user);
	}
	file->user = user;
	kref_init(&file->ref);
	file->dev = dev;
	get_device(&dev->dev);
	file->queue = vcd_this_queue(dev);
	file->generation = vcd_queue_generation(file->queue);
	mutex_init(&file->handle_lock);
	xa_init_flags(&file->sessions, XA_FLAGS_ALLOC1);
	return file;
}

/* Whether the device has gone, or has been started anew since the file has its handle */
bool vcd_device_left(const struct vcd_file *file)
{
	return vcd_queue_generation(file->queue) != READ_ONCE(file->generation);
}
