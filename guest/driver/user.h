/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of a device one user has */
#ifndef USER_H
#define USER_H

#include <linux/uidgid.h>

#include "vcd_device.h"

/* Who has files of a device open, or memory that it still uses */
struct vcd_user {
	struct vcd_device *dev;
	unsigned int references;
	kuid_t uid;
	struct list_head link;
	unsigned int files;
	unsigned long sessions;
	/* Read without the lock as well */
	unsigned long bytes;
	/* struct vcd_claim; and the place among those who have any */
	struct list_head claims;
	struct list_head waiting;
};

struct vcd_user *vcd_user_open(struct vcd_device *dev);
void vcd_user_close(struct vcd_user *user);
int vcd_user_add_session(struct vcd_user *user);
void vcd_user_drop_sessions(struct vcd_user *user, unsigned long count);
int vcd_user_admit(struct vcd_user *user);
int vcd_user_claim(struct vcd_user *user, u64 bytes);
void vcd_user_charge(struct vcd_user *user, u64 bytes);
void vcd_user_release(struct vcd_user *user, u64 bytes);

#endif /* USER_H */
