// SPDX-License-Identifier: GPL-2.0-only
/* Requests: their memory, from the first part to the answer. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "request.h"

static void vcd_request_returned(struct vcd_transfer *transfer);

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
	INIT_LIST_HEAD(&req->transfer.link);
	init_completion(&req->transfer.answered);
	/* Before the handle, which is at least as new then: see vcd_open_handle. */
	req->transfer.generation = smp_load_acquire(&file->generation);
	req->transfer.returned = vcd_request_returned;
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
	req->memory.user = file->user;
	req->capacity = capacity;
	req->header.type = cpu_to_le16(type);
	req->header.ioctl = cpu_to_le16(ioctl);
	req->header.handle = cpu_to_le32(READ_ONCE(file->handle));
	return req;
}

/* What the answer created has an owner: see vcd_end_orphan. */
void vcd_request_taken(struct vcd_request *req)
{
	req->header.type = 0;
}

/*
 * Nobody took the handle or session of an answer, because the process was killed, the time was over
 * or memory was short: it is of no use, and would stay on the device, a session at least until its
 * file is closed.
 */
static bool vcd_end_orphan(struct vcd_request *req)
{
	struct virtio_cryptodev_request *header = &req->header;
	const struct vcd_transfer *transfer = &req->transfer;

	if (transfer->error || transfer->used < sizeof(req->response) || req->response.status)
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
	vcd_submit(req, transfer->queue, false);
	vcd_request_put(req);
	return true;
}

static void vcd_request_free(struct kref *ref)
{
	struct vcd_request *req = container_of(ref, struct vcd_request, ref);
	struct vcd_device *dev = req->dev;
	bool keeps_device = req->keeps_device;

	vcd_data_release(&req->memory);
	if (req->charged)
		vcd_user_release(req->user, req->charged);
	if (req->job.ended)
		req->job.ended(&req->job);
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

/* There is an answer, or why there is none, for whoever waits. May run in an interrupt. */
static void vcd_request_answered(struct vcd_request *req)
{
	complete(&req->transfer.answered);
	if (req->job.answered)
		req->job.answered(&req->job);
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
		vcd_data_copy_out(&req->memory, le32_to_cpu(answer.data_len));
	req->memory.copied = false;
	vcd_data_release(&req->memory);
	vcd_request_answered(req);
	vcd_request_put(req);
}

/* The queue's reference becomes whatever is left of the request; may run in an interrupt. */
static void vcd_request_returned(struct vcd_transfer *transfer)
{
	struct vcd_request *req = container_of(transfer, struct vcd_request, transfer);

	if (vcd_data_settles(&req->memory)) {
		INIT_WORK(&req->work, vcd_request_settle);
		queue_work(vcd_workqueue, &req->work);
		return;
	}
	vcd_request_answered(req);
	vcd_request_put_later(req);
}

/*
 * Hands a request to the device; it is answered in any case, if only with an error. With `look`, as
 * vcd_hand_over.
 */
bool vcd_submit(struct vcd_request *req, struct vcd_queue *queue, bool look)
{
	struct vcd_transfer *transfer = &req->transfer;
	const struct vcd_memory *memory = &req->memory;
	unsigned int count = 0;

	kref_get(&req->ref);
	sg_init_one(&req->head_sg, &req->header, sizeof(req->header) + req->parts_len);
	sg_init_one(&req->answer_sg, &req->response, sizeof(req->response) + req->mac_room);
	transfer->lists[count++] = &req->head_sg;
	if (memory->source.list)
		transfer->lists[count++] = memory->source.list;
	transfer->out = count;
	transfer->lists[count++] = &req->answer_sg;
	if (memory->destination.list)
		transfer->lists[count++] = memory->destination.list;
	transfer->in = count - transfer->out;
	return vcd_hand_over(transfer, queue, look);
}

/*
 * Nobody waits any more for this request: if the device has not seen it yet, it never will; if it
 * has, the user has the memory until it comes back, lest it take all by asking again and again.
 * Returns whether the device will not see it. Called with the file, at most once.
 */
bool vcd_withdraw(struct vcd_request *req)
{
	bool unseen = vcd_take_back(&req->transfer);

	if (unseen) {
		vcd_request_put(req);
	} else {
		req->charged = struct_size(req, parts, req->capacity);
		vcd_user_charge(req->user, req->charged);
	}
	return unseen;
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

/*
 * Gives the request its data, and must be the last that is added. The room must have been asked for
 * with vcd_data_linear_len of them. As vcd_data_attach.
 */
int vcd_request_attach(struct vcd_request *req, const struct vcd_data *data)
{
	u32 extent = vcd_data_extent(data);

	req->memory.data = *data;
	if (!extent)
		return 0;
	/* The parameter may have changed since: what counts is the room. */
	if (req->capacity - req->parts_len < extent)
		return vcd_data_attach(&req->memory);
	vcd_data_use_linear(&req->memory, req->parts + req->parts_len);
	return vcd_request_add(req, data->src, data->src_len);
}

/* The answer has `len` bytes for the driver itself: at `memory.linear`, in the request's room. */
void vcd_request_expect(struct vcd_request *req, u32 len)
{
	req->memory.data.dst_len = len;
	req->least_data_len = len;
	vcd_data_use_linear(&req->memory, req->parts + req->parts_len);
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

	if (data_len > req->memory.data.dst_len)
		return false;
	/* Of errors only EFAULT has more than the header, and that only where there are data. */
	if (!answer->status || data_len)
		used += req->mac_room + data_len;
	if (req->transfer.used != used)
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
	if (req->transfer.error)
		return req->transfer.error;
	if (req->transfer.used < sizeof(*answer))
		return -EIO;
	memcpy(answer, &req->response, sizeof(*answer));
	if (!vcd_answer_fits(req, answer)) {
		memset(answer, 0, sizeof(*answer));
		return -EIO;
	}
	return vcd_status_error(le32_to_cpu(answer->status));
}
