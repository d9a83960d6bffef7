// Random operations on a directory, each compared with a model in memory. Usage: share-storm DIRECTORY SEED STEPS
// Ends with 0 and a line "storm: ok" when everything was as the model says.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 40, MOST = 300000, DIRS = 4 };

struct file { int exists, dir, mode; size_t size; unsigned char *data; };

static struct file files[FILES];
static char top[256];
static unsigned long long state;
static long step;

static unsigned rnd(unsigned below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)((state >> 33) % below);
}

static void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    printf("storm: step %ld: ", step);
    vprintf(format, list);
    printf(" (%s)\n", strerror(errno));
    exit(1);
}

static char *path(int number, int dir) {
    static char texts[4][512];
    static int turn;
    char *text = texts[turn++ & 3];
    snprintf(text, 512, "%s/d%d/f%d", top, dir, number);
    return text;
}

static char *path_of(int number) { return path(number, files[number].dir); }

static void check(int number) {
    struct file *f = &files[number];
    struct stat st;
    if (!f->exists) {
        if (lstat(path_of(number), &st) == 0 || errno != ENOENT) die("%s is there", path_of(number));
        return;
    }
    if (lstat(path_of(number), &st) != 0) die("%s is not there", path_of(number));
    if ((size_t)st.st_size != f->size) die("%s has %ld bytes, not %zu", path_of(number), (long)st.st_size, f->size);
    if ((st.st_mode & 07777) != (unsigned)f->mode) die("%s has mode %o, not %o", path_of(number), st.st_mode & 07777, f->mode);
    static unsigned char buffer[MOST];
    int fd = open(path_of(number), O_RDONLY);
    if (fd < 0) die("opening %s", path_of(number));
    size_t done = 0;
    while (done < f->size) {
        ssize_t count = pread(fd, buffer + done, f->size - done, done);
        if (count <= 0) die("reading %s at %zu", path_of(number), done);
        done += count;
    }
    close(fd);
    for (size_t i = 0; i < f->size; i++)
        if (buffer[i] != f->data[i]) die("%s differs at %zu: %02x, not %02x", path_of(number), i, buffer[i], f->data[i]);
}

static void resize(struct file *f, size_t size) {
    if (size > f->size) memset(f->data + f->size, 0, size - f->size);
    f->size = size;
}

static void write_some(int number, int fd, int append) {
    struct file *f = &files[number];
    static unsigned char data[70000];
    size_t count = 1 + rnd(rnd(4) == 0 ? sizeof data : 5000), at = append ? f->size : rnd(MOST - 70000);
    if (at + count > MOST) return;
    for (size_t i = 0; i < count; i++) data[i] = (unsigned char)rnd(256);
    ssize_t done = append ? write(fd, data, count) : pwrite(fd, data, count, at);
    if (done != (ssize_t)count) die("writing %zu to %s gave %zd", count, path_of(number), done);
    if (at + count > f->size) resize(f, at + count);
    memcpy(f->data + at, data, count);
}

static void map_some(int number, int fd) {
    struct file *f = &files[number];
    if (f->size == 0) return;
    unsigned char *map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        if (errno == ENODEV || errno == EINVAL) return; // cache=none cannot
        die("mapping %s", path_of(number));
    }
    for (int i = 0; i < 50; i++) {
        size_t at = rnd((unsigned)f->size);
        if (map[at] != f->data[at]) die("mapped %s differs at %zu", path_of(number), at);
        map[at] = f->data[at] = (unsigned char)rnd(256);
    }
    if (msync(map, f->size, MS_SYNC) != 0) die("msync");
    munmap(map, f->size);
}

static void change(int number, int can_map) {
    struct file *f = &files[number];
    int append = rnd(4) == 0, create = !f->exists;
    if (create) f->dir = rnd(DIRS);
    int fd = open(path_of(number), O_RDWR | (append ? O_APPEND : 0) | (create ? O_CREAT | O_EXCL : 0), 0640);
    if (fd < 0) die("opening %s", path_of(number));
    if (create) {
        f->exists = 1, f->size = 0, f->mode = 0640;
    }
    int gone = rnd(12) == 0;
    if (gone && unlink(path_of(number)) != 0) die("unlinking %s while open", path_of(number));
    for (unsigned i = 0, count = rnd(5); i < count; i++) {
        write_some(number, fd, append);
        if (rnd(6) == 0) {
            size_t size = rnd(MOST);
            if (ftruncate(fd, size) != 0) die("ftruncate %s", path_of(number));
            resize(f, size);
        }
        if (rnd(8) == 0 && fsync(fd) != 0) die("fsync");
        if (can_map && rnd(8) == 0) map_some(number, fd);
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || (size_t)st.st_size != f->size) die("fstat: %ld bytes, not %zu", (long)st.st_size, f->size);
    if (close(fd) != 0) die("close");
    if (gone) f->exists = 0;
}

static void move(int number) {
    struct file *f = &files[number];
    int to = rnd(FILES), dir = rnd(DIRS);
    if (!f->exists || to == number) return;
    struct file *g = &files[to];
    if (g->exists) dir = g->dir;
    if (rename(path_of(number), path(to, dir)) != 0) die("renaming %s to %s", path_of(number), path(to, dir));
    unsigned char *old = g->data;
    *g = *f;
    g->dir = dir;
    f->data = old;
    f->exists = 0;
}

static void links(int number) {
    struct file *f = &files[number];
    char other[600], text[600];
    snprintf(other, sizeof other, "%s/link", top);
    if (rnd(2)) {
        if (!f->exists) return;
        if (link(path_of(number), other) != 0) die("linking %s", path_of(number));
        struct stat st;
        if (stat(path_of(number), &st) != 0 || st.st_nlink != 2) die("%s has %ld links", path_of(number), (long)st.st_nlink);
    } else {
        if (symlink(path_of(number), other) != 0) die("symlink");
        ssize_t count = readlink(other, text, sizeof text);
        if (count != (ssize_t)strlen(path_of(number)) || memcmp(text, path_of(number), count)) die("readlink gave %zd bytes", count);
        int there = access(other, F_OK) == 0;
        if (there != f->exists) die("the link says %d", there);
    }
    if (unlink(other) != 0) die("unlinking the link");
}

static void list(void) {
    int seen[FILES] = {0}, wanted = 0, found = 0;
    for (int dir = 0; dir < DIRS; dir++) {
        char name[300];
        snprintf(name, sizeof name, "%s/d%d", top, dir);
        DIR *d = opendir(name);
        if (!d) die("opendir");
        for (struct dirent *e; (e = readdir(d));) {
            if (e->d_name[0] == '.') continue;
            int number = atoi(e->d_name + 1);
            if (number < 0 || number >= FILES || files[number].dir != dir || seen[number]++) die("%s/%s should not be", name, e->d_name);
            found++;
        }
        closedir(d);
    }
    for (int i = 0; i < FILES; i++) wanted += files[i].exists;
    if (wanted != found) die("%d files, not %d", found, wanted);
}

int main(int count, char **args) {
    if (count < 4) return 2;
    snprintf(top, sizeof top, "%s", args[1]);
    state = strtoull(args[2], NULL, 0);
    int can_map = count > 4;
    umask(0);
    for (int i = 0; i < DIRS; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s/d%d", top, i);
        if (mkdir(name, 0755) != 0) die("mkdir %s", name);
    }
    for (int i = 0; i < FILES; i++) files[i].data = calloc(1, MOST);
    for (step = 0; step < atol(args[3]); step++) {
        int number = rnd(FILES);
        struct file *f = &files[number];
        switch (rnd(12)) {
            case 0: move(number); break;
            case 1: links(number); break;
            case 2: if (f->exists) { if (unlink(path_of(number)) != 0) die("unlink"); f->exists = 0; } break;
            case 3: if (f->exists) { f->mode = 0600 | rnd(0200); if (chmod(path_of(number), f->mode) != 0) die("chmod"); } break;
            case 4: if (f->exists) { size_t size = rnd(MOST); if (truncate(path_of(number), size) != 0) die("truncate"); resize(f, size); } break;
            case 5: list(); break;
            case 6: case 7: check(number); break;
            default: change(number, can_map); break;
        }
    }
    for (int i = 0; i < FILES; i++) check(i);
    list();
    for (int i = 0; i < FILES; i++) {
        if (!files[i].exists) continue;
        unsigned long long hash = 14695981039346656037ULL;
        for (size_t at = 0; at < files[i].size; at++) hash = (hash ^ files[i].data[at]) * 1099511628211ULL;
        printf("file d%d/f%d %zu %016llx\n", files[i].dir, i, files[i].size, hash);
    }
    printf("storm: ok\n");
    return 0;
}
