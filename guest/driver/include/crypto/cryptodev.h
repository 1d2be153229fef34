/* SPDX-License-Identifier: CC0-1.0 */
/*
 * The cryptodev API: what programs and /dev/crypto say to each other.
 *
 * Numbers and layouts are those of cryptodev-linux 1.14, whose header is in the public domain, as
 * is this one: a program built against either runs with both. It goes back to OpenBSD's
 * crypto/cryptodev.h.
 */
#ifndef L_CRYPTODEV_H
#define L_CRYPTODEV_H

#include <linux/ioctl.h>
#include <linux/types.h>
#ifndef __KERNEL__
#define __user
#endif

#define CRYPTO_HMAC_MAX_KEY_LEN		512
#define CRYPTO_CIPHER_MAX_KEY_LEN	64

/* Ciphers, and hashes and MACs: one space of numbers. Which of them work is up to the device. */
enum cryptodev_crypto_op_t {
	CRYPTO_DES_CBC = 1,
	CRYPTO_3DES_CBC = 2,
	CRYPTO_BLF_CBC = 3,
	CRYPTO_CAST_CBC = 4,
	CRYPTO_SKIPJACK_CBC = 5,
	CRYPTO_MD5_HMAC = 6,
	CRYPTO_SHA1_HMAC = 7,
	CRYPTO_RIPEMD160_HMAC = 8,
	CRYPTO_MD5_KPDK = 9,
	CRYPTO_SHA1_KPDK = 10,
	CRYPTO_RIJNDAEL128_CBC = 11,
	CRYPTO_AES_CBC = CRYPTO_RIJNDAEL128_CBC,
	CRYPTO_ARC4 = 12,
	CRYPTO_MD5 = 13,
	CRYPTO_SHA1 = 14,
	CRYPTO_DEFLATE_COMP = 15,
	CRYPTO_NULL = 16,
	CRYPTO_LZS_COMP = 17,
	CRYPTO_SHA2_256_HMAC = 18,
	CRYPTO_SHA2_384_HMAC = 19,
	CRYPTO_SHA2_512_HMAC = 20,
	CRYPTO_AES_CTR = 21,
	CRYPTO_AES_XTS = 22,
	CRYPTO_AES_ECB = 23,
	CRYPTO_AES_CFB = 24,
	CRYPTO_AES_OFB = 25,
	CRYPTO_AES_GCM = 50,
	CRYPTO_AES_CCM = 51,

	CRYPTO_CAMELLIA_CBC = 101,
	CRYPTO_RIPEMD160 = 102,
	CRYPTO_SHA2_224 = 103,
	CRYPTO_SHA2_256 = 104,
	CRYPTO_SHA2_384 = 105,
	CRYPTO_SHA2_512 = 106,
	CRYPTO_SHA2_224_HMAC = 107,
	CRYPTO_TLS11_AES_CBC_HMAC_SHA1 = 108,
	CRYPTO_TLS12_AES_CBC_HMAC_SHA256 = 109,
	CRYPTO_ALGORITHM_ALL,
};

#define CRYPTO_ALGORITHM_MAX	(CRYPTO_ALGORITHM_ALL - 1)

/* Lengths of blocks, in bytes */
#define DES_BLOCK_LEN		8
#define DES3_BLOCK_LEN		8
#define RIJNDAEL128_BLOCK_LEN	16
#define AES_BLOCK_LEN		RIJNDAEL128_BLOCK_LEN
#define CAMELLIA_BLOCK_LEN	16
#define BLOWFISH_BLOCK_LEN	8
#define SKIPJACK_BLOCK_LEN	8
#define CAST128_BLOCK_LEN	8
#define EALG_MAX_BLOCK_LEN	16

/* Longest digest, in bytes */
#define AALG_MAX_RESULT_LEN	64
#define HASH_MAX_LEN		64

#define CRYPTODEV_MAX_ALG_NAME	64

/* CIOCGSESSION: begins a session, with a cipher, with a hash or MAC, or with both. */
struct session_op {
	__u32	cipher;		/* a cipher, or 0 */
	__u32	mac;		/* a hash or MAC, or 0 */

	__u32	keylen;
	__u8	__user *key;
	__u32	mackeylen;
	__u8	__user *mackey;

	__u32	ses;		/* out: the session */
};

/* CIOCGSESSINFO: says what carries out a session. */
struct session_info_op {
	__u32 ses;

	struct alg_info {
		char cra_name[CRYPTODEV_MAX_ALG_NAME];
		char cra_driver_name[CRYPTODEV_MAX_ALG_NAME];
	} cipher_info, hash_info;

	__u16	alignmask;	/* data so aligned is worked on fastest */
	__u32	flags;		/* SIOP_FLAG_... */
};

/* The work is done by something that programs cannot reach but by this API. */
#define SIOP_FLAG_KERNEL_DRIVER_ONLY	1

#define COP_ENCRYPT	0
#define COP_DECRYPT	1

/* CIOCCRYPT, CIOCASYNCCRYPT, CIOCASYNCFETCH */
struct crypt_op {
	__u32	ses;
	__u16	op;		/* COP_ENCRYPT or COP_DECRYPT */
	__u16	flags;		/* COP_FLAG_... */
	__u32	len;		/* of src and dst */
	__u8	__user *src;
	__u8	__user *dst;
	__u8	__user *mac;	/* where the digest goes */
	__u8	__user *iv;	/* NULL: go on where the operation before ended */
};

/*
 * CIOCAUTHCRYPT. Without a flag, for an AEAD cipher: the tag stands behind the ciphertext, so that
 * dst needs room for it. COP_FLAG_AEAD_TLS_TYPE, for a cipher with a MAC, as TLS up to 1.2 does it:
 * src == dst, with room for tag and padding. COP_FLAG_AEAD_SRTP_TYPE: src == dst is a part of
 * auth_src, and the tag is separate.
 */
struct crypt_auth_op {
	__u32	ses;
	__u16	op;		/* COP_ENCRYPT or COP_DECRYPT */
	__u16	flags;		/* COP_FLAG_AEAD_... */
	__u32	len;		/* in: of src; out: of dst */
	__u32	auth_len;
	__u8	__user *auth_src;	/* authenticated, not encrypted */

	__u8	__user *src;
	__u8	__user *dst;

	__u8	__user *tag;	/* SRTP type: where the tag is; AEAD, out: where it came to be */
	__u32	tag_len;	/* 0: the longest, or the digest's length */

	__u8	__user *iv;
	__u32	iv_len;
};

#define COP_FLAG_NONE		(0 << 0)
#define COP_FLAG_UPDATE		(1 << 0)	/* hash: more will follow */
#define COP_FLAG_FINAL		(1 << 1)	/* hash: this was the last part */
#define COP_FLAG_WRITE_IV	(1 << 2)	/* give back the IV for what follows */
#define COP_FLAG_NO_ZC		(1 << 3)	/* copy the data: no zero-copy */
#define COP_FLAG_AEAD_TLS_TYPE	(1 << 4)
#define COP_FLAG_AEAD_SRTP_TYPE	(1 << 5)
#define COP_FLAG_RESET		(1 << 6)	/* hash: start anew, with COP_FLAG_UPDATE */

/* Asymmetric operations: nothing that has this header carries them out; CIOCASYMFEAT says so. */
#define CRYPTO_ALG_FLAG_SUPPORTED	1
#define CRYPTO_ALG_FLAG_RNG_ENABLE	2
#define CRYPTO_ALG_FLAG_DSA_SHA		4

struct crparam {
	__u8	*crp_p;
	__u32	crp_nbits;
};

#define CRK_MAXPARAM	8

struct crypt_kop {
	__u32	crk_op;
	__u32	crk_status;
	__u16	crk_iparams;
	__u16	crk_oparams;
	__u32	crk_pad1;
	struct crparam	crk_param[CRK_MAXPARAM];
};

enum cryptodev_crk_op_t {
	CRK_MOD_EXP = 0,
	CRK_MOD_EXP_CRT = 1,
	CRK_DSA_SIGN = 2,
	CRK_DSA_VERIFY = 3,
	CRK_DH_COMPUTE_KEY = 4,
	CRK_ALGORITHM_ALL
};

#define CRK_ALGORITHM_MAX	(CRK_ALGORITHM_ALL - 1)

#define CRF_MOD_EXP		(1 << CRK_MOD_EXP)
#define CRF_MOD_EXP_CRT		(1 << CRK_MOD_EXP_CRT)
#define CRF_DSA_SIGN		(1 << CRK_DSA_SIGN)
#define CRF_DSA_VERIFY		(1 << CRK_DSA_VERIFY)
#define CRF_DH_COMPUTE_KEY	(1 << CRK_DH_COMPUTE_KEY)

/* CIOCCPHASH: dst_ses goes on from where src_ses is, each by itself. */
struct cphash_op {
	__u32	dst_ses;
	__u32	src_ses;
};

#define CRIOGET		_IOWR('c', 101, __u32)
#define CIOCGSESSION	_IOWR('c', 102, struct session_op)
#define CIOCFSESSION	_IOW('c', 103, __u32)
#define CIOCCRYPT	_IOWR('c', 104, struct crypt_op)
#define CIOCKEY		_IOWR('c', 105, struct crypt_kop)
#define CIOCASYMFEAT	_IOR('c', 106, __u32)
#define CIOCGSESSINFO	_IOWR('c', 107, struct session_info_op)
#define CIOCAUTHCRYPT	_IOWR('c', 109, struct crypt_auth_op)
#define CIOCASYNCCRYPT	_IOW('c', 110, struct crypt_op)
#define CIOCASYNCFETCH	_IOR('c', 111, struct crypt_op)
#define CIOCCPHASH	_IOW('c', 112, struct cphash_op)

/* A file of /dev/crypto needs no CRIOGET before its use. */
#define CRIOGET_NOT_NEEDED	1

#endif /* L_CRYPTODEV_H */
