// SPDX-License-Identifier: Apache-2.0
/*
 * hog SECONDS
 *
 * Takes all memory that there is, again and again, is killed for that, and begins anew: whatever else runs has its
 * memory reclaimed, moved and refused meanwhile. Says at the end how often it was killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void __attribute__((noreturn)) take_all(void)
{
	const size_t piece = 1 << 20;
	int score = open("/proc/self/oom_score_adj", O_WRONLY);

	/* The first to be killed */
	if (write(score, "1000", 4) != 4)
		_exit(2);
	for (;;) {
		char *memory = mmap(NULL, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory != MAP_FAILED)
			memset(memory, 0x5a, piece);
	}
}

int main(int count, char **words)
{
	time_t end = time(NULL) + (count > 1 ? atoi(words[1]) : 0);
	int killed = 0, status = 0;

	while (time(NULL) < end) {
		pid_t child = fork();

		if (!child)
			take_all();
		if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status))
			return 1;
		killed++;
	}
	printf("killed %d\n", killed);
	return killed ? 0 : 1;
}
