/* The first process: made here, it runs the program that the machine's command line names. */
#include "process.h"
#include "file.h"
#include <fs_client.h>
#include <mem_client.h>

#define WORDS_MAX 64
static const char *const environment[] = { "HOME=/", "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=linux", NULL };
static const char *const path_directories[] = { "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/" };

static struct shim_thread *first_thread; /* until it has begun its program */

/* What the command line says. */
struct init_request {
	char text[sizeof(rt_boot->command_line)]; /* the words, each ended by NUL */
	char path[FS_PATH_MAX];
	const char *arguments[WORDS_MAX + 2];
	bool shell;             /* nothing was named: a shell on the terminal */
};

static i32 digit_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Replaces %XX in place. */
static void percent_decode(char *word)
{
	char *to = word;

	for (const char *from = word; *from; from++) {
		if (from[0] == '%' && digit_value(from[1]) >= 0 && digit_value(from[2]) >= 0) {
			*to++ = (char)(digit_value(from[1]) * 16 + digit_value(from[2]));
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
}

/* The next word at *text, ended and decoded; NULL: no more. */
static char *word_next(char **text)
{
	char *word;

	while (**text == ' ')
		++*text;
	if (!**text)
		return NULL;
	word = *text;
	while (**text && **text != ' ')
		++*text;
	if (**text)
		*(*text)++ = 0;
	return word;
}

static void request_parse(struct init_request *request)
{
	char *text = request->text, *word;
	u32 count = 1;
	bool rest = false;

	memcpy(request->text, rt_boot->command_line, sizeof(request->text));
	request->text[sizeof(request->text) - 1] = 0;
	while ((word = word_next(&text))) {
		if (rest && count <= WORDS_MAX) {
			percent_decode(word);
			request->arguments[count++] = word;
		} else if (!strcmp(word, "--")) {
			rest = true;
		} else if (!strncmp(word, "init=", 5)) {
			percent_decode(word + 5);
			request->arguments[0] = word + 5;
		}
	}
}

static bool path_exists(struct shim_thread *t, const char *path)
{
	struct fs_at at = { .client = t->process->fs_client, .mode = 1 };

	return fs_access(&at, path, strlen(path)) >= 0;
}

/* Chooses the program: as named (searched along PATH), /init, or the shell. */
static void program_choose(struct shim_thread *t, struct init_request *request)
{
	const char *name = request->arguments[0];

	if (!name || !*name) {
		request->shell = !path_exists(t, "/init");
		name = request->shell ? "/bin/sh" : "/init";
		request->arguments[0] = name;
		if (request->shell) {
			request->arguments[1] = "-l";
			request->arguments[2] = NULL;
		}
	}
	format_text(request->path, sizeof(request->path), "%s", name);
	for (u32 i = 0; !strchr(name, '/') && i < countof(path_directories); i++) {
		format_text(request->path, sizeof(request->path), "%s%s", path_directories[i], name);
		if (path_exists(t, request->path))
			return;
	}
}

/* Descriptors 0 to 2. A shell's terminal becomes its controlling terminal; the console never does. */
static long console_open(struct shim_thread *t, const char *path)
{
	struct fs_open request = { .client = t->process->fs_client, .flags = O_RDWR };
	struct shim_file *file;
	long error = file_open_at(t, &request, path, strlen(path), &file);

	for (i32 fd = 0; fd < 3 && error >= 0; fd++) {
		file_hold(file);
		error = fd_install(t, file, 0, fd);
	}
	if (error >= 0)
		file_put(file);
	return error;
}

static noreturn_fn void init_fail(struct shim_thread *t, const char *path, long error)
{
	log_line("abi: the first program %s can't be run: error %d", path, (i32)-error);
	shim_process_end(t, error == -ENOENT ? 127 << 8 : 126 << 8);
}

bool shim_init_enter(struct shim_thread *t)
{
	struct init_request *request;
	long error;

	if (likely(t != first_thread))
		return false;
	first_thread = NULL;
	request = heap_alloc(sizeof(*request));
	if (!request)
		init_fail(t, "?", -ENOMEM);
	shim_limits_changed(t);
	request_parse(request);
	program_choose(t, request);
	if (request->shell)
		(void)!proc_session_create();
	if ((!request->shell || console_open(t, "/dev/ttyS0") < 0) && console_open(t, "/dev/console") < 0)
		log_line("abi: no console for the first process");
	error = proc_fs_client_set(t->process->fs_client); /* others get it by proc_task_create */
	if (error >= 0)
		error = shim_exec_first(t, request->path, request->arguments, environment);
	if (error < 0)
		init_fail(t, request->path, error);
	heap_free(request);
	return true;
}

static long process_make(struct shim_process **made)
{
	struct shim_process *process;
	u64 space, frame;
	long error = mem_space_create(0, &space, &frame);

	if (error < 0)
		return error;
	process = shim_process_create(1, space, token_of_frame(frame));
	if (!process)
		return -ENOMEM;
	*made = process;
	process->files = fd_table_create();
	process->space_users = heap_alloc(sizeof(*process->space_users));
	if (!process->files || !process->space_users)
		return -ENOMEM;
	*process->space_users = 1;
	return fs_client_create(&process->fs_client);
}

void shim_start_init(void)
{
	struct proc_created created;
	struct shim_process *process;
	long error = process_make(&process);

	if (error >= 0)
		error = proc_task_first(process->space, 0, &created);
	if (error >= 0) {
		first_thread = shim_thread_create(process, created.thread, created.tid, token_of_frame(created.thread_frame));
		error = first_thread ? 0 : -ENOMEM;
	}
	if (error >= 0) {
		process->running = 1;
		/* Its first way to user mode leads back here, to shim_init_enter: relaxed, it does not run yet. */
		__atomic_fetch_or(&first_thread->page->interrupt, TK_INTERRUPT_SIGNAL, __ATOMIC_RELAXED);
		error = proc_task_start(created.tid);
	}
	if (error < 0) {
		log_line("abi: the first process can't be made: error %d", (i32)-error);
		(void)tk_power(TK_POWER_PANIC, 1);
	}
}
