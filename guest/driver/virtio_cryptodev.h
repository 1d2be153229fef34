/* SPDX-License-Identifier: (GPL-2.0 OR BSD-3-Clause) */
/*
 * What goes between the driver and the virtio-cryptodev device. The numbers of sections are those
 * of its specification, docs/virtio-cryptodev.md.
 */
#ifndef VIRTIO_CRYPTODEV_H
#define VIRTIO_CRYPTODEV_H

#include <linux/types.h>

/*
 * 1: device id, and the one under which it is shown by QEMU, which takes no number that it has no
 * name for
 */
#define VIRTIO_ID_CRYPTODEV	63
#define VIRTIO_ID_CRYPTODEV_QEMU	21

/* 3: feature bits */
#define VIRTIO_CRYPTODEV_F_HASH		0
#define VIRTIO_CRYPTODEV_F_MAC		1
#define VIRTIO_CRYPTODEV_F_AEAD		2
#define VIRTIO_CRYPTODEV_F_TLS		3
#define VIRTIO_CRYPTODEV_F_SRTP		4
#define VIRTIO_CRYPTODEV_F_CPHASH	5

/* 4: configuration space */
struct virtio_cryptodev_config {
	__le16 version;
	__le16 num_queues;
	__le32 max_handles;
	__le32 max_sessions;
	__le32 max_data_len;
	__le32 max_auth_len;
	__le16 max_key_len;
	__le16 max_mac_key_len;
	__le32 ciphers[4];
	__le32 macs[4];
	__u8 engine[16];
};

/* 6.3: types of requests; ioctls are named by their _IOC_NR */
#define VIRTIO_CRYPTODEV_OPEN	1
#define VIRTIO_CRYPTODEV_CLOSE	2
#define VIRTIO_CRYPTODEV_IOCTL	3

/* 6.1: followed by key, mac_key, iv, tag, auth, source data */
struct virtio_cryptodev_request {
	__le16 type;
	__le16 ioctl;
	__le32 handle;
	__le32 session;
	__le16 op;
	__le16 flags;
	__le32 data_len;
	__le32 auth_len;
	__le16 iv_len;
	__le16 mac_len;
	__le16 tag_len;
	__le16 key_len;
	__le16 mac_key_len;
	__le16 reserved;
	__le32 cipher;
	__le32 mac;
	__le32 argument;
};

/* 6.2: followed by mac, destination data */
struct virtio_cryptodev_response {
	__le32 status;
	__le32 id;
	__le32 data_len;
	__le16 iv_len;
	__le16 mac_len;
	union {
		__u8 iv[16];
		struct {
			__le16 block_size;
			__le16 iv_size;
			__le16 digest_size;
			__le16 tag_size;
			__le32 reserved[2];
		} session;
	};
};

/* 6.6: the answer to CIOCGSESSINFO */
struct virtio_cryptodev_session_info {
	__u8 cipher_name[64];
	__u8 cipher_driver_name[64];
	__u8 hash_name[64];
	__u8 hash_driver_name[64];
	__le16 alignmask;
	__le16 reserved;
	__le32 flags;
};

/* 7: values of status; the same on every architecture, whatever Linux there calls them */
#define VIRTIO_CRYPTODEV_ENOENT		2
#define VIRTIO_CRYPTODEV_EIO		5
#define VIRTIO_CRYPTODEV_EBADF		9
#define VIRTIO_CRYPTODEV_ENOMEM		12
#define VIRTIO_CRYPTODEV_EFAULT		14
#define VIRTIO_CRYPTODEV_EINVAL		22
#define VIRTIO_CRYPTODEV_ENFILE		23
#define VIRTIO_CRYPTODEV_EMFILE		24
#define VIRTIO_CRYPTODEV_EDEADLK	35
#define VIRTIO_CRYPTODEV_EPROTO		71
#define VIRTIO_CRYPTODEV_EBADMSG	74
#define VIRTIO_CRYPTODEV_EMSGSIZE	90

#endif /* VIRTIO_CRYPTODEV_H */
