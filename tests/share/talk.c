// Gives back all that a program of the host says on a virtio socket. Usage: talk PORT
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

int main(int count, char **words) {
    if (count != 2) return 2;
    struct sockaddr_vm host = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = (unsigned)atoi(words[1]) };
    int peer = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (peer < 0 || connect(peer, (struct sockaddr *)&host, sizeof host) != 0) {
        perror("talk");
        return 1;
    }
    static char piece[65536];
    ssize_t got;
    while ((got = read(peer, piece, sizeof piece)) > 0)
        for (ssize_t done = 0, part; done < got; done += part)
            if ((part = write(peer, piece + done, (size_t)(got - done))) <= 0) {
                perror("talk");
                return 1;
            }
    return got == 0 ? 0 : 1;
}
