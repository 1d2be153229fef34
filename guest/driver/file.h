/* SPDX-License-Identifier: GPL-2.0-only */
/* Open files: what there is of each, and for how long */
#ifndef FILE_H
#define FILE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "user.h"

struct vcd_request;

/* An open file */
struct vcd_file {
	struct kref ref;
	struct vcd_device *dev;
	/* Who opened it, whoever uses it */
	struct vcd_user *user;
	/*
	 * The order of requests on one queue is kept, so what must follow something else goes
	 * through this one.
	 */
	struct vcd_queue *queue;
	/* What the file is called on the device, in this life of that; who sends CLOSE: handle.c */
	struct mutex handle_lock;
	unsigned int generation;
	u32 handle;
	struct vcd_request *close;
	/* struct vcd_session by the program's number; the last that was given out: session.c */
	struct xarray sessions;
	u32 last_session;

	/* Asynchronous operations in the order of their submission: see async.c */
	spinlock_t lock;
	struct list_head jobs;
	unsigned int job_count;
	wait_queue_head_t poll;
	struct delayed_work expiry;
};

struct vcd_file *vcd_file_new(struct vcd_device *dev);
void vcd_file_put(struct vcd_file *file);
bool vcd_device_left(const struct vcd_file *file);

#endif /* FILE_H */
