/* rename, and random operations on a small tree against a model of it. */
#include "fake.h"

static void simple(void)
{
	u64 file;
	char path[64];

	text_put("/a", "a");
	text_put("/b", "b");
	CHECK_EQUAL(rename_name("/a", "/b", FS_RENAME_NOREPLACE), -EEXIST);
	CHECK_EQUAL(rename_name("/a", "/b", FS_RENAME_EXCHANGE), 0);
	CHECK(text_is("/a", "b") && text_is("/b", "a"));
	file = file_open("/a", FS_O_RDONLY, 0);
	CHECK_EQUAL(rename_name("/a", "/a-longer-name-than-it-had-before", 0), 0);
	CHECK_EQUAL(fs_op_path_of(&fake_rq, client, file, path, sizeof(path)), 34);
	CHECK(memcmp(path, "/a-longer-name-than-it-had-before", 34) == 0);
	CHECK_EQUAL(rename_name("/a-longer-name-than-it-had-before", "/b", 0), 0);
	CHECK(text_is("/b", "b") && !exists("/a"));
	CHECK_EQUAL(remove_name("/b"), 0);
	CHECK_EQUAL(fs_op_path_of(&fake_rq, client, file, path, sizeof(path)), 13);
	CHECK(memcmp(path, "/b (deleted)", 13) == 0);
	file_close(file);
	CHECK_EQUAL(rename_name("/b", "/c", 0), -ENOENT);
}

static void whiteout(void)
{
	struct fs_stat status;

	text_put("/a", "a");
	text_put("/b", "b");
	CHECK_EQUAL(rename_name("/a", "/b", FS_RENAME_WHITEOUT | FS_RENAME_EXCHANGE), -EINVAL);
	CHECK_EQUAL(rename_name("/a", "/b", FS_RENAME_WHITEOUT | FS_RENAME_NOREPLACE), -EEXIST);
	CHECK_EQUAL(rename_name("/a", "/b", FS_RENAME_WHITEOUT), 0);
	CHECK(text_is("/b", "a"));
	CHECK_EQUAL(status_get("/a", &status), 0);
	CHECK(status.mode == FS_IFCHR && status.device == 0 && status.links == 1);
	CHECK_EQUAL(remove_name("/a"), 0);
	CHECK_EQUAL(remove_name("/b"), 0);
}

static void directories(void)
{
	struct fs_stat status;

	CHECK_EQUAL(make_directory("/d"), 0);
	CHECK_EQUAL(make_directory("/d/e"), 0);
	CHECK_EQUAL(make_directory("/f"), 0);
	text_put("/file", "");
	CHECK_EQUAL(rename_name("/d", "/d/e/x", 0), -EINVAL);
	CHECK_EQUAL(rename_name("/d", "/d", 0), 0);
	CHECK_EQUAL(rename_name("/d/e", "/d", 0), -ENOTEMPTY);
	CHECK_EQUAL(rename_name("/d", "/file", 0), -ENOTDIR);
	CHECK_EQUAL(rename_name("/file", "/d", 0), -EISDIR);
	CHECK_EQUAL(rename_name("/file", "/new/", 0), -ENOTDIR);
	CHECK_EQUAL(rename_name("/f", "/d", 0), -ENOTEMPTY);
	CHECK_EQUAL(rename_name("/f", "/new/", 0), 0);
	CHECK_EQUAL(rename_name("/d/.", "/x", 0), -EBUSY);
	CHECK_EQUAL(rename_name("/d", "/", 0), -EBUSY);
	CHECK_EQUAL(rename_name("/proc", "/x", 0), -EBUSY);
	CHECK_EQUAL(rename_name("/d", "/proc/x", 0), -EXDEV);
	CHECK_EQUAL(rename_name("/d", "/new", FS_RENAME_EXCHANGE), 0);
	CHECK(exists("/new/e"));
	CHECK_EQUAL(status_get("/new", &status), 0);
	CHECK_EQUAL(status.links, 3);
	CHECK_EQUAL(rename_name("/new/e", "/d", 0), 0);
	CHECK_EQUAL(status_get("/new", &status), 0);
	CHECK_EQUAL(status.links, 2);
	CHECK_EQUAL(rename_name("/d", "/file", FS_RENAME_EXCHANGE), 0);
	CHECK_EQUAL(remove_name("/d"), 0);
	CHECK_EQUAL(remove_directory("/file"), 0);
	CHECK_EQUAL(remove_directory("/new"), 0);
}

/* ---- The model: eight nodes, each nowhere or a directory or file under a parent ---- */
#define NODES 8
static struct { int kind, parent; } model[NODES];   /* kind 0 none, 1 file, 2 directory; parent -1: the root /m */
static u32 seed = 1;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void model_path(int node, char *path, size_t capacity)
{
	char above[200];

	if (node < 0) {
		format_text(path, capacity, "/m");
		return;
	}
	model_path(model[node].parent, above, sizeof(above));
	format_text(path, capacity, "%s/n%d", above, node);
}

static bool below(int node, int top)
{
	for (; node >= 0; node = model[node].parent)
		if (node == top)
			return true;
	return top < 0;
}

static bool has_children(int node)
{
	for (int i = 0; i < NODES; i++)
		if (model[i].kind && model[i].parent == node)
			return true;
	return false;
}

static void model_make(int node, char *path, size_t capacity)
{
	int parent = (int)random_below(NODES + 1) - 1, kind = 1 + (int)random_below(2);

	if (model[node].kind || (parent >= 0 && model[parent].kind != 2) || parent == node)
		return;
	model[node].parent = parent;
	model_path(node, path, capacity);
	if (kind == 2)
		CHECK_EQUAL(make_directory(path), 0);
	else
		text_put(path, path);
	model[node].kind = kind;
}

/* Moves a node under another parent; its name stays, since it is its number. */
static void model_move(int node, char *path, size_t capacity)
{
	int parent = (int)random_below(NODES + 1) - 1;
	char to[200], above[180];
	long expected = 0, result;

	if (!model[node].kind || (parent >= 0 && model[parent].kind == 0))
		return;
	model_path(node, path, capacity);
	model_path(parent, above, sizeof(above));
	format_text(to, sizeof(to), "%s/n%d", above, node);
	if (parent >= 0 && model[parent].kind != 2)
		expected = -ENOTDIR;
	else if (model[node].kind == 2 && below(parent, node) && parent >= 0)
		expected = -EINVAL;
	result = rename_name(path, to, 0);
	CHECK_EQUAL(result, expected);
	if (!result)
		model[node].parent = parent;
}

static void model_remove(int node, char *path, size_t capacity)
{
	if (!model[node].kind)
		return;
	model_path(node, path, capacity);
	if (model[node].kind == 1) {
		CHECK_EQUAL(remove_directory(path), -ENOTDIR);
		CHECK_EQUAL(remove_name(path), 0);
	} else if (has_children(node)) {
		CHECK_EQUAL(remove_directory(path), -ENOTEMPTY);
		return;
	} else {
		CHECK_EQUAL(remove_name(path), -EISDIR);
		CHECK_EQUAL(remove_directory(path), 0);
	}
	model[node].kind = 0;
}

static void model_check(void)
{
	struct fs_stat status;
	char path[200];

	for (int node = 0; node < NODES; node++) {
		long expected = 2;

		if (!model[node].kind)
			continue;
		model_path(node, path, sizeof(path));
		CHECK_EQUAL(status_get(path, &status), 0);
		CHECK_EQUAL(status.mode >> 12, model[node].kind == 2 ? 4 : 8);
		for (int i = 0; i < NODES; i++)
			expected += model[i].kind == 2 && model[i].parent == node;
		if (model[node].kind == 2)
			CHECK_EQUAL(status.links, expected);
	}
}

static void random_tree(void)
{
	char path[200];

	CHECK_EQUAL(make_directory("/m"), 0);
	for (u32 step = 0; step < 20000; step++) {
		int node = (int)random_below(NODES);

		switch (random_below(4)) {
		case 0:
			model_make(node, path, sizeof(path));
			break;
		case 1:
			model_remove(node, path, sizeof(path));
			break;
		default:
			model_move(node, path, sizeof(path));
		}
		if (step % 16 == 0)
			model_check();
	}
	for (u32 round = 0; round < NODES; round++)
		for (int node = 0; node < NODES; node++)
			if (model[node].kind && !has_children(node))
				model_remove(node, path, sizeof(path));
	CHECK_EQUAL(remove_directory("/m"), 0);
}

void test_renaming(void)
{
	test_run("rename of files", simple);
	test_run("rename that leaves a whiteout", whiteout);
	test_run("rename of directories", directories);
	test_run("random operations on a tree", random_tree);
}
