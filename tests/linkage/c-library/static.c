/* Linked against the static library. */
#include <stddef.h>
#include <stdio.h>

size_t linked_backends(char *buffer, size_t length);

int main(void) {
    char ids[4096];
    if (linked_backends(ids, sizeof ids) == 0) {
        return 1;
    }
    fputs(ids, stdout);
    return 0;
}
