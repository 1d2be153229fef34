/*
 * Encrypts in a guest by the kernel's cipher DRIVER with a 128-bit key (AF_ALG: Linux,
 * Documentation/crypto/userspace-if.rst), one request after the other, each SIZE for MILLISECONDS:
 *
 *	af-alg DRIVER MILLISECONDS SIZE...
 *
 * Prints a line "SIZE REQUESTS_PER_SECOND" for each size.
 */
#include <linux/if_alg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LARGEST = 1048576,
	/*
	 * More than this a socket does not take at once unless told, and Linux's virtio_crypto makes
	 * n(n+1)/2 descriptors of n pages, which soon are more than a queue has.
	 */
	PIECE = 65536,
	IV_LENGTH = 16,
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int open_cipher(const char *driver)
{
	static const unsigned char key[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct sockaddr_alg address = { .salg_family = AF_ALG, .salg_type = "skcipher" };
	int transform = socket(AF_ALG, SOCK_SEQPACKET, 0);
	int operation;

	strncpy((char *)address.salg_name, driver, sizeof(address.salg_name) - 1);
	if (transform < 0 || bind(transform, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(driver);
	if (setsockopt(transform, SOL_ALG, ALG_SET_KEY, key, sizeof(key)) < 0)
		fail("ALG_SET_KEY");
	operation = accept(transform, NULL, NULL);
	if (operation < 0)
		fail("accept");
	return operation;
}

static void read_all(int operation, unsigned char *data, size_t size)
{
	while (size > 0) {
		ssize_t got = read(operation, data, size);

		if (got <= 0)
			fail("read");
		data += got;
		size -= got;
	}
}

/* The pieces are one message: the IV goes on from one to the next. */
static void encrypt(int operation, unsigned char *data, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct af_alg_iv) + IV_LENGTH)];
	} control = { 0 };
	struct iovec range;
	struct msghdr message = {
		.msg_control = &control,
		.msg_controllen = sizeof(control),
		.msg_iov = &range,
		.msg_iovlen = 1,
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	size_t done;

	part->cmsg_level = SOL_ALG;
	part->cmsg_type = ALG_SET_OP;
	part->cmsg_len = CMSG_LEN(sizeof(uint32_t));
	*(uint32_t *)CMSG_DATA(part) = ALG_OP_ENCRYPT;
	part = CMSG_NXTHDR(&message, part);
	part->cmsg_level = SOL_ALG;
	part->cmsg_type = ALG_SET_IV;
	part->cmsg_len = CMSG_LEN(sizeof(struct af_alg_iv) + IV_LENGTH);
	((struct af_alg_iv *)CMSG_DATA(part))->ivlen = IV_LENGTH;

	for (done = 0; done < size; done += range.iov_len) {
		size_t left = size - done;

		range.iov_base = data + done;
		range.iov_len = left < PIECE ? left : PIECE;
		if (sendmsg(operation, &message, left > PIECE ? MSG_MORE : 0) != (ssize_t)range.iov_len)
			fail("sendmsg");
		message.msg_control = NULL;
		message.msg_controllen = 0;
		read_all(operation, data + done, range.iov_len);
	}
}

int main(int count, char **arguments)
{
	static unsigned char data[LARGEST] __attribute__((aligned(4096)));
	int operation;
	int i;

	if (count < 4) {
		fprintf(stderr, "usage: af-alg DRIVER MILLISECONDS SIZE...\n");
		return 2;
	}
	operation = open_cipher(arguments[1]);
	for (i = 3; i < count; i++) {
		size_t size = strtoul(arguments[i], NULL, 10);
		double start, end;
		long requests = 0;

		if (size == 0 || size > LARGEST)
			return 2;
		encrypt(operation, data, size);
		start = now();
		end = start + atol(arguments[2]) / 1e3;
		do {
			encrypt(operation, data, size);
			requests++;
		} while (now() < end);
		printf("%zu %f\n", size, requests / (now() - start));
	}
	return 0;
}
