// SPDX-License-Identifier: Apache-2.0
/*
 * together DEVICE PROCESSES LENGTH FLAGS
 *
 * Processes that share a file and one session with a hash each take the digest of the same LENGTH bytes many times, at
 * once: each must be the digest that there is when nobody else is at it. Says how many were right and how many wrong.
 */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 8, DIGEST = 20 };

int main(int count, char **words)
{
	struct session_op session = { .mac = CRYPTO_SHA1 };
	uint8_t alone[HASH_MAX_LEN], digest[HASH_MAX_LEN];
	struct crypt_op op = { .mac = alone };
	int *wrong, processes, fd;
	uint8_t *data;

	if (count != 5)
		return 2;
	processes = atoi(words[2]);
	op.len = strtoul(words[3], NULL, 0);
	op.flags = strtoul(words[4], NULL, 0);
	fd = open(words[1], O_RDWR);
	wrong = mmap(NULL, sizeof(*wrong), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	data = mmap(NULL, op.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || wrong == MAP_FAILED || data == MAP_FAILED || ioctl(fd, CIOCGSESSION, &session))
		return 2;
	for (uint32_t i = 0; i < op.len; i++)
		data[i] = i * 2654435761u >> 24;
	op.ses = session.ses;
	op.src = data;
	if (ioctl(fd, CIOCCRYPT, &op))
		return 1;
	op.mac = digest;
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		for (int n = 0; n < TIMES; n++)
			if (ioctl(fd, CIOCCRYPT, &op) || memcmp(alone, digest, DIGEST))
				__atomic_add_fetch(wrong, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	printf("right %d wrong %d\n", processes * TIMES - *wrong, *wrong);
	return 0;
}
