// SPDX-License-Identifier: GPL-2.0-only
/* Requests: their memory, from the first part to the answer. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/* `capacity` bytes is the room for parts and linear data behind the header. */
struct vcd_request *vcd_request_new(struct vcd_file *file, u16 type, u16 ioctl, size_t capacity)
{
	struct vcd_request *req;

	BUILD_BUG_ON(offsetof(struct vcd_request, parts) !=
		     offsetof(struct vcd_request, header) + sizeof(req->header));
	BUILD_BUG_ON(offsetof(struct vcd_request, mac) !=
		     offsetof(struct vcd_request, response) + sizeof(req->response));

	req = kzalloc(struct_size(req, parts, capacity), GFP_KERNEL_ACCOUNT);
	if (!req)
		return ERR_PTR(-ENOMEM);
	kref_init(&req->ref);
	INIT_LIST_HEAD(&req->link);
	init_completion(&req->answered);
	req->dev = file->dev;
	get_device(&req->dev->dev);
	req->generation = file->generation;
	req->capacity = capacity;
	req->header.type = cpu_to_le16(type);
	req->header.ioctl = cpu_to_le16(ioctl);
	req->header.handle = cpu_to_le32(file->handle);
	return req;
}

/*
 * Nobody waited for the answer to OPEN, because the process was killed or the time was over: the
 * handle, if there is one, is of no use, and would stay open on the device for ever.
 */
static bool vcd_close_orphan(struct vcd_request *req)
{
	if (req->header.type != cpu_to_le16(VIRTIO_CRYPTODEV_OPEN) || req->error ||
	    req->used < sizeof(req->response) || req->response.status)
		return false;
	req->header.type = cpu_to_le16(VIRTIO_CRYPTODEV_CLOSE);
	req->header.handle = req->response.id;
	kref_init(&req->ref);
	vcd_submit(req, req->queue);
	vcd_request_put(req);
	return true;
}

static void vcd_request_free(struct kref *ref)
{
	struct vcd_request *req = container_of(ref, struct vcd_request, ref);
	struct vcd_device *dev = req->dev;

	vcd_data_release(req);
	if (req->file)
		vcd_file_put(req->file);
	/* Keys, plaintext */
	kfree_sensitive(req);
	put_device(&dev->dev);
}

void vcd_request_put(struct vcd_request *req)
{
	kref_put(&req->ref, vcd_request_free);
}

static void vcd_request_orphan_work(struct work_struct *work)
{
	struct vcd_request *req = container_of(work, struct vcd_request, work);

	if (!vcd_close_orphan(req))
		vcd_request_free(&req->ref);
}

static void vcd_request_orphaned(struct kref *ref)
{
	struct vcd_request *req = container_of(ref, struct vcd_request, ref);

	INIT_WORK(&req->work, vcd_request_orphan_work);
	queue_work(vcd_workqueue, &req->work);
}

/* As vcd_request_put, from an interrupt: freeing a request may sleep. */
void vcd_request_put_later(struct vcd_request *req)
{
	kref_put(&req->ref, vcd_request_orphaned);
}

/* Adds a part, from the program's memory: -EFAULT if that cannot be read. */
int vcd_request_add(struct vcd_request *req, const void __user *from, size_t len)
{
	if (WARN_ON_ONCE(len > req->capacity - req->parts_len))
		return -EIO;
	if (copy_from_user(req->parts + req->parts_len, from, len))
		return -EFAULT;
	req->parts_len += len;
	return 0;
}

/* What the device says went wrong, in this architecture's numbers */
static int vcd_status_error(u32 status)
{
	switch (status) {
	case 0:
		return 0;
	case VIRTIO_CRYPTODEV_ENOENT:
		return -ENOENT;
	case VIRTIO_CRYPTODEV_ENOMEM:
		return -ENOMEM;
	case VIRTIO_CRYPTODEV_EFAULT:
		return -EFAULT;
	case VIRTIO_CRYPTODEV_EINVAL:
	case VIRTIO_CRYPTODEV_EMSGSIZE:
		return -EINVAL;
	case VIRTIO_CRYPTODEV_ENFILE:
		return -ENFILE;
	case VIRTIO_CRYPTODEV_EMFILE:
		return -EMFILE;
	case VIRTIO_CRYPTODEV_EDEADLK:
		return -EDEADLK;
	case VIRTIO_CRYPTODEV_EBADMSG:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

/*
 * Copies the answer's header, for the device may change its own at any time, and checks it: 0, the
 * device's errno, or -EIO for an answer that fits no request of this size.
 */
int vcd_request_answer(struct vcd_request *req, struct virtio_cryptodev_response *answer)
{
	u32 data_len, mac_len;
	int error;

	memset(answer, 0, sizeof(*answer));
	if (req->error)
		return req->error;
	if (req->used < sizeof(*answer))
		return -EIO;
	memcpy(answer, &req->response, sizeof(*answer));
	error = vcd_status_error(le32_to_cpu(answer->status));
	data_len = le32_to_cpu(answer->data_len);
	mac_len = le16_to_cpu(answer->mac_len);
	if (data_len > req->data.dst_len || mac_len > VCD_MAX_MAC ||
	    le16_to_cpu(answer->iv_len) > sizeof(answer->iv) ||
	    (!error && req->used < sizeof(*answer) + req->mac_room + data_len)) {
		memset(answer, 0, sizeof(*answer));
		return -EIO;
	}
	return error;
}

/* Sends a request and waits for its answer. */
int vcd_request_call(struct vcd_request *req, struct vcd_queue *queue,
		     struct virtio_cryptodev_response *answer)
{
	int error;

	vcd_submit(req, queue);
	error = vcd_wait(req);
	return error ?: vcd_request_answer(req, answer);
}
