/* Loads the dynamic library that its argument names. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    size_t (*linked_backends)(char *, size_t) =
        library ? (size_t (*)(char *, size_t))dlsym(library, "linked_backends") : NULL;
    char ids[4096];
    if (linked_backends == NULL || linked_backends(ids, sizeof ids) == 0) {
        return 1;
    }
    fputs(ids, stdout);
    return 0;
}
