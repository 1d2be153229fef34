// SPDX-License-Identifier: GPL-2.0-only
/* Queues: what is on its way to the device and back. */
#include <linux/cpumask.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/virtio_config.h>

#include "queue.h"

/* A transfer's descriptors at least: head, source, answer, destination */
#define VCD_LEAST_SEGMENTS	4

struct workqueue_struct *vcd_workqueue;

/* The queue of a processor, which has the queue's interrupts if each queue has its own */
static unsigned int vcd_queue_of(const struct vcd_device *dev, unsigned int cpu)
{
	return cpu % dev->queue_count;
}

struct vcd_queue *vcd_this_queue(struct vcd_device *dev)
{
	return &dev->queues[vcd_queue_of(dev, raw_smp_processor_id())];
}

/* Which life of the device this is: 0 while it is stopped */
unsigned int vcd_queue_generation(struct vcd_queue *queue)
{
	unsigned int generation;

	spin_lock_irq(&queue->lock);
	generation = queue->vq ? queue->generation : 0;
	spin_unlock_irq(&queue->lock);
	return generation;
}

/*
 * Has each queue interrupt where its requests come from. These vectors are the driver's own, not
 * managed by the kernel, which would shut them down with the last processor that they are for:
 * requests that are under way in that queue, or come by it later, must be answered all the same.
 */
void vcd_spread_interrupts(struct vcd_device *dev)
{
	cpumask_var_t mask;
	unsigned int i, cpu;

	/* Without, all goes on, more slowly. */
	if (dev->queue_count == 1 || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	for (i = 0; i < dev->queue_count; i++) {
		cpumask_clear(mask);
		for_each_online_cpu(cpu)
			if (vcd_queue_of(dev, cpu) == i)
				cpumask_set_cpu(cpu, mask);
		if (!cpumask_empty(mask))
			virtqueue_set_affinity(dev->queues[i].vq, mask);
	}
	free_cpumask_var(mask);
}

static void vcd_return(struct vcd_transfer *transfer, int error)
{
	transfer->error = error;
	transfer->came = local_clock();
	transfer->returned(transfer);
}

/* Puts a transfer into the ring: -ENOSPC if that is full. Called with the queue's lock. */
static int vcd_add(struct vcd_queue *queue, struct vcd_transfer *transfer)
{
	int error = virtqueue_add_sgs(queue->vq, transfer->lists, transfer->out, transfer->in,
				      transfer, GFP_ATOMIC);

	if (!error)
		queue->in_flight++;
	/* Nothing will come back to make room: waiting would be for ever. */
	else if (error == -ENOSPC && !queue->in_flight)
		error = -ENOMEM;
	return error;
}

/* Takes what the device has answered, and counts that. Called with the queue's lock. */
static void vcd_take_used(struct vcd_queue *queue, u64 *count)
{
	struct vcd_device *dev = queue->vq->vdev->priv;
	struct vcd_transfer *transfer;
	unsigned int used;

	while ((transfer = virtqueue_get_buf(queue->vq, &used))) {
		transfer->used = used;
		queue->in_flight--;
		++*count;
		vcd_return(transfer, 0);
	}
	/* It names requests that there are not: there is no more to be had from it. */
	if (virtqueue_is_broken(queue->vq))
		queue_work(vcd_workqueue, &dev->reset_work);
}

/* Called with the queue's lock, when there may be room. */
static void vcd_add_backlog(struct vcd_queue *queue)
{
	struct vcd_transfer *transfer, *next;
	bool added = false;

	list_for_each_entry_safe(transfer, next, &queue->backlog, link) {
		int error = vcd_add(queue, transfer);

		if (error == -ENOSPC)
			break;
		list_del_init(&transfer->link);
		if (error)
			vcd_return(transfer, error);
		else
			added = true;
	}
	if (added)
		virtqueue_kick(queue->vq);
}

/*
 * Takes what the device has answered, has it interrupt for all that it will answer from now on, and
 * gives it what waited for room. Called with the queue's lock.
 */
static void vcd_collect(struct vcd_queue *queue, u64 *count)
{
	do {
		virtqueue_disable_cb(queue->vq);
		vcd_take_used(queue, count);
	} while (!virtqueue_enable_cb(queue->vq));
	vcd_add_backlog(queue);
}

/* The same, while somebody looks for answers: interrupts are not wanted. */
static void vcd_collect_quietly(struct vcd_queue *queue, u64 *count)
{
	vcd_take_used(queue, count);
	if (!list_empty(&queue->backlog))
		vcd_add_backlog(queue);
}

/*
 * Hands over to the device what comes back in any case, if only with an error: until then somebody
 * must keep it. With `look`, who asks is going to look for the answer if this says so: vcd_look,
 * and once vcd_stop_looking.
 */
bool vcd_hand_over(struct vcd_transfer *transfer, struct vcd_queue *queue, bool look)
{
	struct virtqueue *vq;
	unsigned long flags;
	bool kick = false;
	int error;

	/* Of one that others know already, this is known as well. */
	if (transfer->queue != queue)
		transfer->queue = queue;
	/*
	 * vcd_stop_queues waits for this, so that the virtqueue is there to be notified without the
	 * lock.
	 */
	rcu_read_lock();
	spin_lock_irqsave(&queue->lock, flags);
	vq = queue->vq;
	if (!vq)
		error = queue->error;
	else if (transfer->generation != queue->generation)
		error = -ENODEV;
	else if (!list_empty(&queue->backlog))
		error = -ENOSPC;
	else
		error = vcd_add(queue, transfer);
	if (error == -ENOSPC) {
		list_add_tail(&transfer->link, &queue->backlog);
		error = 0;
	}
	if (!error) {
		if (look && !queue->pollers++)
			virtqueue_disable_cb(vq);
		kick = virtqueue_kick_prepare(vq);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	if (kick)
		virtqueue_notify(vq);
	rcu_read_unlock();
	if (error)
		vcd_return(transfer, error);
	return look && !error;
}

/* Takes it out of the queue, which will not return it, if the device has not seen it yet. */
bool vcd_take_back(struct vcd_transfer *transfer)
{
	struct vcd_queue *queue = transfer->queue;
	unsigned long flags;
	bool waiting;

	spin_lock_irqsave(&queue->lock, flags);
	waiting = !list_empty(&transfer->link);
	list_del_init(&transfer->link);
	spin_unlock_irqrestore(&queue->lock, flags);
	return waiting;
}

/* Takes what there is of answers, unless another one is at it already. */
void vcd_look(struct vcd_queue *queue)
{
	if (!spin_trylock_irq(&queue->lock))
		return;
	if (queue->vq)
		vcd_collect_quietly(queue, &queue->looked_answers);
	spin_unlock_irq(&queue->lock);
}

/* Whoever leaves last has the device interrupt again. */
void vcd_stop_looking(struct vcd_queue *queue)
{
	spin_lock_irq(&queue->lock);
	if (!--queue->pollers && queue->vq)
		vcd_collect(queue, &queue->looked_answers);
	spin_unlock_irq(&queue->lock);
}

static void vcd_used(struct virtqueue *vq)
{
	struct vcd_device *dev = vq->vdev->priv;
	struct vcd_queue *queue = &dev->queues[vq->index];
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->vq == vq) {
		queue->interrupts++;
		/* An interrupt that was on its way already */
		if (queue->pollers)
			vcd_collect_quietly(queue, &queue->interrupt_answers);
		else
			vcd_collect(queue, &queue->interrupt_answers);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
}

static int vcd_find_queues(struct vcd_device *dev, struct virtqueue **vqs)
{
	unsigned int i, count = dev->queue_count;
	int error;
#ifdef VCD_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info *info = kcalloc(count, sizeof(*info), GFP_KERNEL);

	if (!info)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		info[i].name = dev->queues[i].name;
		info[i].callback = vcd_used;
	}
	error = virtio_find_vqs(dev->vdev, count, vqs, info, NULL);
	kfree(info);
#else
	vq_callback_t **callbacks = kcalloc(count, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(count, sizeof(*names), GFP_KERNEL);

	error = -ENOMEM;
	if (callbacks && names) {
		for (i = 0; i < count; i++) {
			names[i] = dev->queues[i].name;
			callbacks[i] = vcd_used;
		}
		error = virtio_find_vqs(dev->vdev, count, vqs, callbacks, names, NULL);
	}
	kfree(callbacks);
	kfree(names);
#endif
	return error;
}

/* VIRTIO 2.7.5.3.1: a chain is no longer than its queue, indirect or not. -EINVAL for short ones */
static int vcd_measure_queues(struct vcd_device *dev, struct virtqueue **vqs)
{
	unsigned int i;

	dev->max_segments = UINT_MAX;
	for (i = 0; i < dev->queue_count; i++)
		dev->max_segments = min_t(unsigned int, dev->max_segments,
					  virtqueue_get_vring_size(vqs[i]));
	dev->max_segment_len = min_t(size_t, virtio_max_dma_size(dev->vdev), UINT_MAX & PAGE_MASK);
	if (dev->max_segments >= VCD_LEAST_SEGMENTS)
		return 0;
	dev_err(&dev->vdev->dev, "a queue of %u descriptors is too short\n", dev->max_segments);
	return -EINVAL;
}

int vcd_start_queues(struct vcd_device *dev)
{
	struct virtqueue **vqs = kcalloc(dev->queue_count, sizeof(*vqs), GFP_KERNEL);
	unsigned int i;
	int error;

	if (!vqs)
		return -ENOMEM;
	error = vcd_find_queues(dev, vqs);
	if (error)
		goto free;
	error = vcd_measure_queues(dev, vqs);
	if (error) {
		dev->vdev->config->del_vqs(dev->vdev);
		goto free;
	}
	dev->generation++;
	for (i = 0; i < dev->queue_count; i++) {
		struct vcd_queue *queue = &dev->queues[i];

		spin_lock_irq(&queue->lock);
		queue->vq = vqs[i];
		queue->generation = dev->generation;
		queue->in_flight = 0;
		spin_unlock_irq(&queue->lock);
	}
free:
	kfree(vqs);
	return error;
}

/* After this the device uses no memory, and every request has been answered with the error. */
void vcd_stop_queues(struct vcd_device *dev, int error)
{
	struct vcd_transfer *transfer, *next;
	struct virtqueue *vq;
	unsigned int i;

	for (i = 0; i < dev->queue_count; i++) {
		struct vcd_queue *queue = &dev->queues[i];

		spin_lock_irq(&queue->lock);
		queue->vq = NULL;
		queue->error = error;
		list_for_each_entry_safe(transfer, next, &queue->backlog, link) {
			list_del_init(&transfer->link);
			vcd_return(transfer, error);
		}
		spin_unlock_irq(&queue->lock);
	}
	synchronize_rcu();
	virtio_reset_device(dev->vdev);
	virtio_device_for_each_vq(dev->vdev, vq)
		while ((transfer = virtqueue_detach_unused_buf(vq)))
			vcd_return(transfer, error);
	dev->vdev->config->del_vqs(dev->vdev);
	wake_up_interruptible_poll(&dev->left, EPOLLHUP);
}
