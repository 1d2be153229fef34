/* SPDX-License-Identifier: GPL-2.0-only */
/* The wait for an answer */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "request.h"

unsigned long vcd_timeout(void);
int vcd_wait_answer(struct vcd_request *req);
int vcd_exchange(struct vcd_request *req, struct vcd_queue *queue);
int vcd_request_call(struct vcd_request *req, struct vcd_queue *queue,
		     struct virtio_cryptodev_response *answer);

#endif /* EXCHANGE_H */
