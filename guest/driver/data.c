// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program's data on the way to the device: copied where they are few, for that is quicker;
 * otherwise the program's own pages, pinned until the device has given them back.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "data.h"

static unsigned int copy_threshold = 2048;
module_param(copy_threshold, uint, 0644);
MODULE_PARM_DESC(copy_threshold, "Data up to so many bytes are copied, more are not");

/*
 * More than this is copied to pages rather than to one piece of memory, which may be hard to get.
 */
#define VCD_LINEAR_MAX	16384
/* Largest piece of memory for a copy in pages: 2^5 pages of 4 KiB */
#define VCD_COPY_ORDER	5
/* The same, where the queue is too short for so many of them */
#define VCD_COPY_ORDER_MAX	10
/* Descriptors that a request needs beside its data: head and answer */
#define VCD_OTHER_SEGMENTS	2

/* How much memory both together need, source and destination in the same place. */
u32 vcd_data_extent(const struct vcd_data *data)
{
	return max(data->src_len, data->offset + data->dst_len);
}

/* The room that the request must have for these data: 0 if they go another way. */
size_t vcd_data_linear_len(const struct vcd_data *data)
{
	u32 extent = vcd_data_extent(data);

	if (data->pin || extent > VCD_LINEAR_MAX)
		return 0;
	return data->copy || extent <= READ_ONCE(copy_threshold) ? extent : 0;
}

/* A list of the memory of another list from `offset` on, `len` bytes. */
static int vcd_slice(struct sg_table *slice, const struct sg_table *whole, u32 offset, u32 len)
{
	struct scatterlist *sg, *out;
	unsigned int count = 0;
	u32 skip, left;

	for (skip = offset, left = len, sg = whole->sgl; left; sg = sg_next(sg)) {
		if (skip < sg->length) {
			left -= min(left, sg->length - skip);
			count++;
		}
		skip -= min(skip, sg->length);
	}
	if (sg_alloc_table(slice, count, GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	out = slice->sgl;
	for (skip = offset, left = len, sg = whole->sgl; left; sg = sg_next(sg)) {
		u32 here = min(left, sg->length - min(skip, sg->length));

		if (here) {
			sg_set_page(out, sg_page(sg), here, sg->offset + skip);
			out = sg_next(out);
		}
		left -= here;
		skip -= min(skip, sg->length);
	}
	return 0;
}

/* Makes `part` the `len` bytes from `offset` on of a list that has `whole_len`. */
static int vcd_take_part(struct vcd_part *part, const struct sg_table *whole, u32 whole_len,
			 u32 offset, u32 len)
{
	const struct sg_table *table = whole;

	if (!len)
		return 0;
	if (len < whole_len) {
		int error = vcd_slice(&part->slice, whole, offset, len);

		if (error)
			return error;
		table = &part->slice;
	}
	part->list = table->sgl;
	part->count = table->orig_nents;
	return 0;
}

static void vcd_free_part(struct vcd_part *part)
{
	sg_free_table(&part->slice);
	memset(part, 0, sizeof(*part));
}

static void vcd_unpin(struct vcd_pages *pages)
{
	sg_free_table(&pages->table);
	if (pages->pages) {
		unpin_user_pages_dirty_lock(pages->pages, pages->count, pages->written);
		kvfree(pages->pages);
	}
	memset(pages, 0, sizeof(*pages));
}

static void vcd_unpin_all(struct vcd_memory *memory)
{
	vcd_unpin(&memory->source_pages);
	vcd_unpin(&memory->destination_pages);
}

/* -EFAULT where memory is missing or, with `write`, must not be written to */
static int vcd_pin(const struct vcd_device *dev, struct vcd_pages *pages, u8 __user *address,
		   u32 len, bool write)
{
	unsigned long start = (unsigned long)address;
	unsigned int wanted = DIV_ROUND_UP((u64)offset_in_page(start) + len, PAGE_SIZE);
	int error = -EFAULT;

	if (!len)
		return 0;
	pages->pages = kvmalloc_array(wanted, sizeof(*pages->pages), GFP_KERNEL_ACCOUNT);
	if (!pages->pages)
		return -ENOMEM;
	pages->written = write;
	while (pages->count < wanted) {
		unsigned long from = (start & PAGE_MASK) + pages->count * PAGE_SIZE;
		int got = pin_user_pages_fast(from, wanted - pages->count, write ? FOLL_WRITE : 0,
					      pages->pages + pages->count);

		if (got <= 0)
			goto unpin;
		pages->count += got;
	}
	/* Pages that lie side by side become one segment. */
	error = sg_alloc_table_from_pages_segment(&pages->table, pages->pages, wanted,
						  offset_in_page(start), len, dev->max_segment_len,
						  GFP_KERNEL_ACCOUNT);
	if (!error)
		return 0;
unpin:
	vcd_unpin(pages);
	return error;
}

static int vcd_attach_pinned(struct vcd_memory *memory)
{
	const struct vcd_device *dev = memory->user->dev;
	const struct vcd_data *data = &memory->data;
	struct vcd_pages *source = &memory->source_pages, *destination = &memory->source_pages;
	u32 source_len = data->src_len, destination_len = data->dst_len;
	int error;

	if (data->in_place) {
		source_len = vcd_data_extent(data);
		destination_len = source_len;
		error = vcd_pin(dev, source, data->src, source_len, true);
	} else {
		destination = &memory->destination_pages;
		error = vcd_pin(dev, source, data->src, source_len, false);
		if (!error)
			error = vcd_pin(dev, destination, data->dst, destination_len, true);
	}
	if (!error)
		error = vcd_take_part(&memory->source, &source->table, source_len, 0,
				      data->src_len);
	if (!error)
		error = vcd_take_part(&memory->destination, &destination->table, destination_len,
				      data->offset, data->dst_len);
	return error;
}

static void vcd_free_copy(struct vcd_memory *memory)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&memory->copy, sg, i) {
		if (!sg_page(sg))
			continue;
		/* Plaintext */
		memzero_explicit(sg_virt(sg), sg->length);
		__free_pages(sg_page(sg), get_order(sg->length));
	}
	sg_free_table(&memory->copy);
	memset(&memory->copy, 0, sizeof(memory->copy));
}

/*
 * Memory for a copy, in pieces so large that both source and destination find room in the queue, as
 * far as one descriptor may name so much
 */
static int vcd_alloc_copy(struct vcd_memory *memory, u32 len, unsigned int room)
{
	const struct vcd_device *dev = memory->user->dev;
	unsigned int most = min_t(unsigned int, VCD_COPY_ORDER_MAX,
				  ilog2(dev->max_segment_len) - PAGE_SHIFT);
	unsigned int order = min3((unsigned int)VCD_COPY_ORDER, (unsigned int)get_order(len), most);
	struct scatterlist *sg;
	unsigned int i;

	while (DIV_ROUND_UP(len, PAGE_SIZE << order) > room / 2 && order < most)
		order++;
	if (sg_alloc_table(&memory->copy, DIV_ROUND_UP(len, PAGE_SIZE << order),
			   GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	for_each_sgtable_sg(&memory->copy, sg, i) {
		u32 here = min_t(u32, len, PAGE_SIZE << order);
		struct page *page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
						__GFP_RETRY_MAYFAIL, get_order(here));

		if (!page)
			return -ENOMEM;
		sg_set_page(sg, page, here, 0);
		len -= here;
	}
	return 0;
}

static int vcd_attach_copy(struct vcd_memory *memory, unsigned int room)
{
	const struct vcd_data *data = &memory->data;
	u32 extent = vcd_data_extent(data), copied = 0;
	struct scatterlist *sg;
	unsigned int i;
	int error;

	error = vcd_alloc_copy(memory, extent, room);
	if (error)
		return error;
	for_each_sgtable_sg(&memory->copy, sg, i) {
		u32 here = min(sg->length, data->src_len - copied);

		if (copy_from_user(sg_virt(sg), data->src + copied, here))
			return -EFAULT;
		copied += here;
	}
	error = vcd_take_part(&memory->source, &memory->copy, extent, 0, data->src_len);
	return error ?: vcd_take_part(&memory->destination, &memory->copy, extent, data->offset,
				      data->dst_len);
}

/*
 * The data are few and at `linear`, in memory of the request's that is as long as their extent: who
 * asks copies the source there. For data that have a result only, `memory->data` says how long.
 */
void vcd_data_use_linear(struct vcd_memory *memory, u8 *linear)
{
	const struct vcd_data *data = &memory->data;

	memory->copied = true;
	memory->linear = linear;
	if (!data->dst_len)
		return;
	sg_init_one(&memory->linear_sg, linear + data->offset, data->dst_len);
	memory->destination.list = &memory->linear_sg;
	memory->destination.count = 1;
}

/* Waits until the user may have memory for these data, whether they are pinned or copied. */
static int vcd_claim_data(struct vcd_memory *memory)
{
	const struct vcd_data *data = &memory->data;
	u64 bytes = PAGE_ALIGN((u64)vcd_data_extent(data));
	int error;

	if (!data->in_place)
		bytes = PAGE_ALIGN((u64)data->src_len) + PAGE_ALIGN((u64)data->dst_len);
	error = vcd_user_claim(memory->user, bytes);
	if (!error)
		memory->claimed = bytes;
	return error;
}

/*
 * The program's pages will not do: they lie in too many places for one request, or, -EFAULT, they
 * cannot be pinned, as those of devices and of memfd_secret(2), though the program may use them. Or
 * there are none: -EFAULT.
 */
static int vcd_copy_instead(struct vcd_memory *memory, int error)
{
	const struct vcd_data *data = &memory->data;

	vcd_free_part(&memory->source);
	vcd_free_part(&memory->destination);
	/* Where the result of an asynchronous operation goes stays: vcd_copy_pages_out. */
	if (!error && data->pin && data->dst_len) {
		memory->exposed = true;
		return 0;
	}
	vcd_unpin_all(memory);
	if (!error || !data->dst_len)
		return 0;
	/* Not only once it is carried out. That the source is there shows when it is copied. */
	if (fault_in_safe_writeable((const char __user *)data->dst, data->dst_len))
		return -EFAULT;
	if (data->pin) {
		memory->mm = current->mm;
		mmgrab(memory->mm);
	}
	return 0;
}

/*
 * Finds the memory for `memory->data`. Waits while the user has too much under way: -EINTR if the
 * process is being killed; -EFAULT, -ENOMEM; -E2BIG if they should come in pieces.
 */
int vcd_data_attach(struct vcd_memory *memory)
{
	const struct vcd_data *data = &memory->data;
	unsigned int room = memory->user->dev->max_segments - VCD_OTHER_SEGMENTS;
	int error;

	memory->copied = true;
	error = vcd_claim_data(memory);
	if (error)
		return error;
	if (!data->copy) {
		error = vcd_attach_pinned(memory);
		if (!error && memory->source.count + memory->destination.count <= room) {
			memory->exposed = memory->destination.count;
			memory->copied = false;
			return 0;
		}
		if (error && error != -EFAULT)
			return error;
		error = vcd_copy_instead(memory, error);
		if (error)
			return error;
	}
	if (data->can_cut && vcd_data_extent(data) > VCD_PIECE)
		return -E2BIG;
	error = vcd_attach_copy(memory, room);
	if (!error && memory->source.count + memory->destination.count > room)
		error = -EINVAL;
	return error;
}

/*
 * Whether the data's memory is to be given back as soon as there is an answer, though nobody may
 * ask for that for long: that of an asynchronous operation, which may be all that its user can
 * have. Only a copy for pages that cannot be pinned has to wait for who asks.
 */
bool vcd_data_settles(const struct vcd_memory *memory)
{
	return memory->data.pin && memory->claimed && !memory->mm;
}

/* To the pages that were pinned, if any were: their program may not be the one that asks now. */
static int vcd_copy_pages_out(const struct vcd_memory *memory, u32 len)
{
	const struct vcd_data *data = &memory->data;
	const struct sg_table *pinned = data->in_place ? &memory->source_pages.table :
							 &memory->destination_pages.table;
	u32 offset = data->in_place ? data->offset : 0;
	struct scatterlist *sg;
	unsigned int i;
	u32 copied = 0;

	/* Who asks has other memory than who wanted the result: there is no other way to that. */
	if (memory->mm && memory->mm != current->mm)
		return -EFAULT;
	for_each_sg(memory->destination.list, sg, memory->destination.count, i) {
		u32 here = min(sg->length, len - copied);

		if (pinned->sgl)
			sg_pcopy_from_buffer(pinned->sgl, pinned->orig_nents, sg_virt(sg), here,
					     offset + copied);
		else if (copy_to_user(data->dst + copied, sg_virt(sg), here))
			return -EFAULT;
		copied += here;
	}
	return 0;
}

/* Gives the program the first `len` bytes of the result, if they are not there already. */
int vcd_data_copy_out(struct vcd_memory *memory, u32 len)
{
	const struct vcd_data *data = &memory->data;

	if (!memory->copied || !len)
		return 0;
	if (!memory->linear)
		return vcd_copy_pages_out(memory, len);
	return copy_to_user(data->dst, memory->linear + data->offset, len) ? -EFAULT : 0;
}

/* May sleep. */
void vcd_data_release(struct vcd_memory *memory)
{
	vcd_free_part(&memory->source);
	vcd_free_part(&memory->destination);
	vcd_free_copy(memory);
	vcd_unpin_all(memory);
	if (memory->mm)
		mmdrop(memory->mm);
	memory->mm = NULL;
	if (memory->claimed) {
		vcd_user_release(memory->user, memory->claimed);
		memory->claimed = 0;
	}
}
