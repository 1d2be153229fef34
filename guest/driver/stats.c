// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/cryptodev/cryptodevN/queues/: how answers came, of all queues together since the
 * device was taken; and how long those who wait look for them now, on average, in nanoseconds.
 */
#include <linux/math64.h>

#include "queue.h"
#include "stats.h"

/* Of a field of all queues */
static ssize_t vcd_emit_sum(struct device *device, size_t offset, char *text)
{
	struct vcd_device *dev = container_of(device, struct vcd_device, dev);
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < dev->queue_count; i++) {
		struct vcd_queue *queue = &dev->queues[i];

		spin_lock_irq(&queue->lock);
		sum += *(u64 *)((u8 *)queue + offset);
		spin_unlock_irq(&queue->lock);
	}
	return sysfs_emit(text, "%llu\n", sum);
}

static ssize_t interrupts_show(struct device *device, struct device_attribute *attribute,
			       char *text)
{
	return vcd_emit_sum(device, offsetof(struct vcd_queue, interrupts), text);
}
static DEVICE_ATTR_RO(interrupts);

static ssize_t interrupt_answers_show(struct device *device, struct device_attribute *attribute,
				      char *text)
{
	return vcd_emit_sum(device, offsetof(struct vcd_queue, interrupt_answers), text);
}
static DEVICE_ATTR_RO(interrupt_answers);

static ssize_t looked_answers_show(struct device *device, struct device_attribute *attribute,
				   char *text)
{
	return vcd_emit_sum(device, offsetof(struct vcd_queue, looked_answers), text);
}
static DEVICE_ATTR_RO(looked_answers);

static ssize_t poll_window_show(struct device *device, struct device_attribute *attribute,
				char *text)
{
	struct vcd_device *dev = container_of(device, struct vcd_device, dev);
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < dev->queue_count; i++)
		sum += READ_ONCE(dev->queues[i].poll_window);
	return sysfs_emit(text, "%llu\n", div_u64(sum, dev->queue_count));
}
static DEVICE_ATTR_RO(poll_window);

static struct attribute *vcd_stats_attributes[] = {
	&dev_attr_interrupts.attr,
	&dev_attr_interrupt_answers.attr,
	&dev_attr_looked_answers.attr,
	&dev_attr_poll_window.attr,
	NULL,
};

static const struct attribute_group vcd_stats_group = {
	.name = "queues",
	.attrs = vcd_stats_attributes,
};

const struct attribute_group *vcd_stats_groups[] = { &vcd_stats_group, NULL };
