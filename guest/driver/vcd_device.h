/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device and its queues.
 *
 * Layers. Each .c file has a header of the same name, and includes besides that the headers of
 * layers below its own only; so whom it calls is below it, but for what is handed down as a pointer
 * to a function.
 *
 *	main			devices come and go; the module
 *	config, stats		what the device says of itself; what queues have counted
 *	chardev			/dev/cryptodevN, and an ioctl's way to who carries it out
 *	abi			the API's structs in a program's memory
 *	async			CIOCASYNCCRYPT, CIOCASYNCFETCH, poll
 *	authcrypt, crypt	CIOCAUTHCRYPT, CIOCCRYPT
 *	session			CIOCGSESSION and what else is about sessions
 *	handle			what a file is called on the device
 *	exchange		a request is handed over, and its answer waited for
 *	request			a request's memory, from the first part to the answer
 *	data			a program's data in it: copied or pinned
 *	file			an open file
 *	user, queue, turn	how much a user may have; the rings; whose turn it is
 *	vcd_device		this; and virtio_cryptodev.h, what goes to the device and back
 */
#ifndef VCD_DEVICE_H
#define VCD_DEVICE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct vcd_queue {
	/* Held for everything below, in interrupts too */
	spinlock_t lock;
	/* NULL while the device is stopped; then requests fail with this error. */
	struct virtqueue *vq;
	int error;
	/* Which life of the device this is: see vcd_device */
	unsigned int generation;
	unsigned int in_flight;
	/* How many look for answers: as long as there are any, the device need not interrupt. */
	unsigned int pollers;
	/* How long that is worth it, in nanoseconds: without the lock */
	u32 poll_window;
	/* Interrupts, and answers that were there at one, or were found by looking */
	u64 interrupts;
	u64 interrupt_answers;
	u64 looked_answers;
	/* Requests for which the ring had no room */
	struct list_head backlog;
	char name[16];
} ____cacheline_aligned_in_smp;

/*
 * A device. Lives as long as any file that was opened on it, also when the hardware is long gone.
 */
struct vcd_device {
	struct device dev;
	struct cdev cdev;
	struct virtio_device *vdev;
	int minor;
	/* Starting and stopping, one at a time */
	struct mutex lock;
	bool running;
	/* While it runs, it hears of processors that come. */
	struct hlist_node hotplug;
	/*
	 * Counts the starts, from 1. What was opened in an earlier life has a handle that means
	 * nothing now, or that means another file, and so it is with sessions: requests for them
	 * must not reach the device.
	 */
	unsigned int generation;
	struct work_struct reset_work;
	/* Those who poll files hear here that the device has gone. */
	wait_queue_head_t left;

	/* What users have, and who waits for memory: see user.c. The lock is for all of it. */
	spinlock_t users_lock;
	struct list_head users;
	struct list_head waiting_users;
	u64 bytes;
	unsigned int files;

	u32 max_handles;
	u32 max_sessions;
	u32 max_data_len;
	u32 max_auth_len;
	u32 max_key_len;
	u32 max_mac_key_len;
	/* Most descriptors that a request may have, and most bytes that one of them may name */
	unsigned int max_segments;
	unsigned int max_segment_len;
	unsigned int queue_count;
	struct vcd_queue queues[];
};

#endif /* VCD_DEVICE_H */
