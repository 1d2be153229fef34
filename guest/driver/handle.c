// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a file is called on the device, from OPEN to CLOSE; and anew after a sleep, in which the
 * device has forgotten it with all its sessions.
 */
#include "exchange.h"
#include "handle.h"

static int vcd_open_handle(struct vcd_file *file, unsigned int generation)
{
	struct vcd_request *req = vcd_request_new(file, VIRTIO_CRYPTODEV_OPEN, 0, 0);
	struct virtio_cryptodev_response answer;
	int error;

	if (IS_ERR(req))
		return PTR_ERR(req);
	req->transfer.generation = generation;
	error = vcd_request_call(req, file->queue, &answer);
	if (!error) {
		WRITE_ONCE(file->handle, le32_to_cpu(answer.id));
		file->close->header.handle = answer.id;
		file->close->transfer.generation = generation;
		/* Who sees this sees the handle too: no request has an old one in a new life. */
		smp_store_release(&file->generation, generation);
		vcd_request_taken(req);
	}
	vcd_request_put_later(req);
	return error;
}

/* On an error there is nothing to close. */
int vcd_handle_open(struct vcd_file *file)
{
	int error;

	/* Made now, for closing cannot fail. */
	file->close = vcd_request_new(file, VIRTIO_CRYPTODEV_CLOSE, 0, 0);
	if (IS_ERR(file->close))
		return PTR_ERR(file->close);
	error = vcd_open_handle(file, file->generation);
	if (error)
		vcd_request_put(file->close);
	return error;
}

/*
 * Opens the file anew if the device has slept since. Sessions of before stay lost: they have
 * another generation. -EINTR if the process is being killed; no error for a device that is stopped,
 * as whatever is asked of that says why.
 */
int vcd_handle_renew(struct vcd_file *file)
{
	unsigned int generation;
	int error = 0;

	if (!vcd_device_left(file))
		return 0;
	if (mutex_lock_killable(&file->handle_lock))
		return -EINTR;
	generation = vcd_queue_generation(file->queue);
	if (generation && generation != file->generation)
		error = vcd_open_handle(file, generation);
	mutex_unlock(&file->handle_lock);
	return error;
}

/*
 * Nobody waits for the answer to CLOSE: a device that is silent must not keep a process from its
 * exit.
 */
void vcd_handle_close(struct vcd_file *file)
{
	vcd_submit(file->close, file->queue, false);
	vcd_request_put(file->close);
}
