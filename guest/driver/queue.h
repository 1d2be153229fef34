/* SPDX-License-Identifier: GPL-2.0-only */
/* The rings, and what goes through them */
#ifndef QUEUE_H
#define QUEUE_H

#include <linux/completion.h>
#include <linux/scatterlist.h>

#include "vcd_device.h"

/* What is handed over to the device and comes back, both exactly once */
struct vcd_transfer {
	struct list_head link;
	/* The generation in which it makes sense, 0 for none; where it goes, or went */
	unsigned int generation;
	struct vcd_queue *queue;
	/* Lists of memory that the device reads and, behind them, that it writes */
	struct scatterlist *lists[4];
	unsigned int out, in;
	/*
	 * Once back: 0, or why there is no answer; how much the device has written; and when that
	 * was, by local_clock()
	 */
	int error;
	u32 used;
	u64 came;
	/*
	 * The queue has it no more; may run in an interrupt, with the queue's lock. Whoever this
	 * is completes `answered`, for those who wait or look for it.
	 */
	void (*returned)(struct vcd_transfer *transfer);
	struct completion answered;
};

extern struct workqueue_struct *vcd_workqueue;

int vcd_start_queues(struct vcd_device *dev);
void vcd_stop_queues(struct vcd_device *dev, int error);
void vcd_spread_interrupts(struct vcd_device *dev);
unsigned int vcd_queue_generation(struct vcd_queue *queue);
struct vcd_queue *vcd_this_queue(struct vcd_device *dev);
bool vcd_hand_over(struct vcd_transfer *transfer, struct vcd_queue *queue, bool look);
bool vcd_take_back(struct vcd_transfer *transfer);
void vcd_look(struct vcd_queue *queue);
void vcd_stop_looking(struct vcd_queue *queue);

#endif /* QUEUE_H */
