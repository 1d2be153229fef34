// SPDX-License-Identifier: Apache-2.0
/*
 * hoard DEVICE UID PROCESSES BYTES FLAGS
 *
 * Many processes of one user ask at once for the encryption of the same memory, in place, with AES-GCM, whose messages
 * cannot be cut. Says "ready" once all of them are there, and begins when it is told anything; says "done" and how many
 * succeeded at the end.
 */
#define _GNU_SOURCE
#include <crypto/cryptodev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words)
{
	enum { TAG = 16 };
	static uint8_t key[16], iv[12];
	struct session_op session = { .cipher = CRYPTO_AES_GCM, .keylen = sizeof(key), .key = key };
	int start[2], processes, succeeded = 0, status, fd;
	struct crypt_auth_op op = { 0 };
	uint8_t *memory;
	size_t length;
	char byte;

	if (count != 6 || setuid(atoi(words[2])) || pipe(start))
		return 2;
	processes = atoi(words[3]);
	length = strtoul(words[4], NULL, 0);
	fd = open(words[1], O_RDWR);
	memory = mmap(NULL, length + TAG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || memory == MAP_FAILED || ioctl(fd, CIOCGSESSION, &session))
		return 2;
	op.ses = session.ses;
	op.flags = strtoul(words[5], NULL, 0);
	op.src = memory;
	op.dst = memory;
	op.len = length;
	op.iv = iv;
	op.iv_len = sizeof(iv);
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(start[1]);
		/* The end of the pipe, once the first process lets go of it */
		read(start[0], &byte, 1);
		_exit(ioctl(fd, CIOCAUTHCRYPT, &op) ? 1 : 0);
	}
	puts("ready");
	fflush(stdout);
	read(STDIN_FILENO, &byte, 1);
	close(start[1]);
	while (wait(&status) > 0)
		succeeded += WIFEXITED(status) && !WEXITSTATUS(status);
	printf("done %d\n", succeeded);
	return 0;
}
