/* SPDX-License-Identifier: GPL-2.0-only */
/* A program's data in a request */
#ifndef DATA_H
#define DATA_H

#include <linux/mm_types.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "user.h"

/* What is copied is copied in pieces of so much, where an operation can be cut: a power of 2 */
#define VCD_PIECE	SZ_512K
/* Largest data, whatever the device says: with all that is added to it a length fits 32 bits. */
#define VCD_MAX_DATA	SZ_1G

/* A program's memory that an operation works on */
struct vcd_data {
	u8 __user *src;
	u32 src_len;
	u8 __user *dst;
	u32 dst_len;
	/* The destination is the source, from this offset on. */
	bool in_place;
	u32 offset;
	/* COP_FLAG_NO_ZC: not the program's own pages */
	bool copy;
	/*
	 * Only the program's own pages, for who is to find the result there may not be who asked
	 * for it
	 */
	bool pin;
	/* Rather -E2BIG than a copy of more than VCD_PIECE, for the operation can be cut. */
	bool can_cut;
};

/* Pages of a program's, pinned */
struct vcd_pages {
	struct page **pages;
	unsigned int count;
	bool written;
	struct sg_table table;
};

/* What of those pages is source or destination: the list of them all, or one made of some */
struct vcd_part {
	struct scatterlist *list;
	unsigned int count;
	struct sg_table slice;
};

/* The memory of a request's data */
struct vcd_memory {
	/* Whose it is, and what that user is charged for it */
	struct vcd_user *user;
	u64 claimed;
	/* The program's memory, where the result goes, and that result if it was copied */
	struct vcd_data data;
	bool copied;
	/* The result is written to pages of the program's, at any time until there is an answer. */
	bool exposed;
	/* Where the result of an asynchronous operation goes, if the pages cannot be pinned */
	struct mm_struct *mm;
	/* Data in small amounts, in the request itself; larger ones in pages, pinned or a copy */
	u8 *linear;
	struct vcd_pages source_pages;
	struct vcd_pages destination_pages;
	struct sg_table copy;
	/* What the device reads and writes; of linear data, what it writes */
	struct vcd_part source;
	struct vcd_part destination;
	struct scatterlist linear_sg;
};

u32 vcd_data_extent(const struct vcd_data *data);
size_t vcd_data_linear_len(const struct vcd_data *data);
void vcd_data_use_linear(struct vcd_memory *memory, u8 *linear);
int vcd_data_attach(struct vcd_memory *memory);
bool vcd_data_settles(const struct vcd_memory *memory);
int vcd_data_copy_out(struct vcd_memory *memory, u32 len);
void vcd_data_release(struct vcd_memory *memory);

#endif /* DATA_H */
