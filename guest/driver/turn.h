/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose turn it is with the state of a session's hash */
#ifndef TURN_H
#define TURN_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/* All who ask have it at once, or one whose data come in pieces. */
struct vcd_turn {
	struct rcu_head rcu;
	refcount_t references;
	/* For how many have it, whether that is one alone, and how many wait to be that one */
	spinlock_t lock;
	unsigned int shared;
	bool alone;
	unsigned int waiting;
	wait_queue_head_t wait;
	/* Asynchronous operations that have not been answered: they keep nobody waiting. */
	atomic_t jobs;
};

struct vcd_turn *vcd_turn_new(void);
bool vcd_turn_get(struct vcd_turn *turn);
void vcd_turn_put(struct vcd_turn *turn);
int vcd_turn_begin(struct vcd_turn *turn, bool alone);
int vcd_turn_begin_both(struct vcd_turn *first, struct vcd_turn *second);
void vcd_turn_end(struct vcd_turn *turn, bool alone);
int vcd_turn_begin_job(struct vcd_turn *turn);
void vcd_turn_end_job(struct vcd_turn *turn);

#endif /* TURN_H */
