// SPDX-License-Identifier: GPL-2.0-only
/* Requests: their memory, from the first part to the answer. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/*
 * A request of a file's, `capacity` bytes of room for parts and linear data behind its header.
 * Waits if the file's user has too much memory under way: -EINTR if the process is being killed;
 * -ENOMEM.
 */
struct vcd_request *vcd_request_new(struct vcd_file *file, u16 type, u16 ioctl, size_t capacity)
{
	int error = vcd_user_admit(file->user);
	struct vcd_request *req;

	BUILD_BUG_ON(offsetof(struct vcd_request, parts) !=
		     offsetof(struct vcd_request, header) + sizeof(req->header));
	BUILD_BUG_ON(offsetof(struct vcd_request, mac) !=
		     offsetof(struct vcd_request, response) + sizeof(req->response));

	if (error)
		return ERR_PTR(error);
	req = kzalloc(struct_size(req, parts, capacity), GFP_KERNEL_ACCOUNT);
	if (!req)
		return ERR_PTR(-ENOMEM);
	kref_init(&req->ref);
	INIT_LIST_HEAD(&req->link);
	init_completion(&req->answered);
	req->dev = file->dev;
	/*
	 * Requests are many, and processors share the counter: those that nobody waits for have
	 * the device by their file or by the user they are charged to. What these create may have
	 * to be ended after that.
	 */
	if (type == VIRTIO_CRYPTODEV_OPEN || ioctl == _IOC_NR(CIOCGSESSION)) {
		get_device(&req->dev->dev);
		req->keeps_device = true;
	}
	req->user = file->user;
	req->generation = file->generation;
	req->capacity = capacity;
	req->header.type = cpu_to_le16(type);
	req->header.ioctl = cpu_to_le16(ioctl);
	req->header.handle = cpu_to_le32(file->handle);
	return req;
}

/* What the answer created has an owner: see vcd_end_orphan. */
void vcd_request_taken(struct vcd_request *req)
{
	req->header.type = 0;
}

/*
 * Nobody waits any more, and the device still has it: from now on the user has the memory, lest it
 * take all by asking again and again. Called with the file, at most once.
 */
void vcd_request_charge(struct vcd_request *req)
{
	req->charged = struct_size(req, parts, req->capacity);
	vcd_user_charge(req->user, req->charged);
}

/*
 * Nobody took the handle or session of an answer, because the process was killed, the time was over
 * or memory was short: it is of no use, and would stay on the device, a session at least until its
 * file is closed.
 */
static bool vcd_end_orphan(struct vcd_request *req)
{
	struct virtio_cryptodev_request *header = &req->header;

	if (req->error || req->used < sizeof(req->response) || req->response.status)
		return false;
	if (header->type == cpu_to_le16(VIRTIO_CRYPTODEV_OPEN)) {
		header->type = cpu_to_le16(VIRTIO_CRYPTODEV_CLOSE);
		header->handle = req->response.id;
	} else if (header->type == cpu_to_le16(VIRTIO_CRYPTODEV_IOCTL) &&
		   header->ioctl == cpu_to_le16(_IOC_NR(CIOCGSESSION))) {
		header->ioctl = cpu_to_le16(_IOC_NR(CIOCFSESSION));
		header->session = req->response.id;
		header->key_len = 0;
		header->mac_key_len = 0;
		memzero_explicit(req->parts, req->parts_len);
		req->parts_len = 0;
	} else {
		return false;
	}
	kref_init(&req->ref);
	vcd_submit(req, req->queue);
	vcd_request_put(req);
	return true;
}

static void vcd_request_free(struct kref *ref)
{
	struct vcd_request *req = container_of(ref, struct vcd_request, ref);
	struct vcd_device *dev = req->dev;
	bool keeps_device = req->keeps_device;

	vcd_data_release(req);
	if (req->charged)
		vcd_user_release(req->user, req->charged);
	/* One that was never handed over, as there were too many */
	vcd_leave_job_session(req->turn);
	if (req->file)
		vcd_file_put(req->file);
	/* Keys, plaintext */
	kfree_sensitive(req);
	if (keeps_device)
		put_device(&dev->dev);
}

void vcd_request_put(struct vcd_request *req)
{
	kref_put(&req->ref, vcd_request_free);
}

static void vcd_request_orphan_work(struct work_struct *work)
{
	struct vcd_request *req = container_of(work, struct vcd_request, work);

	if (!vcd_end_orphan(req))
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

static bool vcd_part_fits(const struct vcd_request *req, size_t len)
{
	return !WARN_ON_ONCE(len > req->capacity - req->parts_len);
}

/* Adds a part, from the program's memory: -EFAULT if that cannot be read. */
int vcd_request_add(struct vcd_request *req, const void __user *from, size_t len)
{
	if (!vcd_part_fits(req, len))
		return -EIO;
	if (copy_from_user(req->parts + req->parts_len, from, len))
		return -EFAULT;
	req->parts_len += len;
	return 0;
}

/* Adds a part of the driver's own. */
int vcd_request_add_own(struct vcd_request *req, const void *from, size_t len)
{
	if (!vcd_part_fits(req, len))
		return -EIO;
	memcpy(req->parts + req->parts_len, from, len);
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

/* Whether the lengths of an answer are such as the request can have */
static bool vcd_answer_fits(const struct vcd_request *req,
			    const struct virtio_cryptodev_response *answer)
{
	u32 data_len = le32_to_cpu(answer->data_len);
	u32 used = sizeof(*answer);

	if (data_len > req->data.dst_len)
		return false;
	/* Of errors only EFAULT has more than the header, and that only where there are data. */
	if (!answer->status || data_len)
		used += req->mac_room + data_len;
	if (req->used != used)
		return false;
	if (answer->status)
		return true;
	return data_len >= req->least_data_len && le16_to_cpu(answer->iv_len) == req->iv_len &&
	       le16_to_cpu(answer->mac_len) == req->mac_len;
}

/*
 * Copies the answer's header, for the device may change its own at any time, and checks it: 0, the
 * device's errno, or -EIO for an answer that does not fit the request.
 */
int vcd_request_answer(struct vcd_request *req, struct virtio_cryptodev_response *answer)
{
	memset(answer, 0, sizeof(*answer));
	if (req->error)
		return req->error;
	if (req->used < sizeof(*answer))
		return -EIO;
	memcpy(answer, &req->response, sizeof(*answer));
	if (!vcd_answer_fits(req, answer)) {
		memset(answer, 0, sizeof(*answer));
		return -EIO;
	}
	return vcd_status_error(le32_to_cpu(answer->status));
}

/* Sends a request and waits for its answer. */
int vcd_request_call(struct vcd_request *req, struct vcd_queue *queue,
		     struct virtio_cryptodev_response *answer)
{
	int error = vcd_exchange(req, queue);

	return error ?: vcd_request_answer(req, answer);
}

/*
 * Brings a copied result to where the program wants it, which needs none of the program's address
 * space, and lets go of the data's memory.
 */
static void vcd_request_settle(struct work_struct *work)
{
	struct vcd_request *req = container_of(work, struct vcd_request, work);
	struct virtio_cryptodev_response answer;
	int error = vcd_request_answer(req, &answer);

	/* As vcd_crypt_finish, which finds nothing left to copy. */
	if (!error || error == -EFAULT)
		vcd_data_copy_out(req, le32_to_cpu(answer.data_len));
	req->copied = false;
	vcd_data_release(req);
	vcd_answered(req);
	vcd_request_put(req);
}

/* The queue's reference goes with it; may run in an interrupt. */
void vcd_request_settle_later(struct vcd_request *req)
{
	INIT_WORK(&req->work, vcd_request_settle);
	queue_work(vcd_workqueue, &req->work);
}
