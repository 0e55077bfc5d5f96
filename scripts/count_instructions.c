// A plugin for qemu's user emulation: how many instructions the guest executes between two calls of sched_yield(), which
// nothing else makes. The interface of plugins, version 1 (qemu 6 to 8), is declared here as far as it is used: Debian
// ships no header. Counts are those of one thread.
#include <stdint.h>
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))
enum { SCHED_YIELD_AARCH64 = 124, ADD = 0 };

typedef uint64_t plugin_id;
struct block;
struct instruction;

size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *, int operation, void *, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
    void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

EXPORTED int qemu_plugin_version = 1;

static uint64_t executed, begun;
static int marks;

static void translated(plugin_id id, struct block *block) {
    (void)id;
    for (size_t at = 0; at < qemu_plugin_tb_n_insns(block); at++)
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(block, at), ADD, &executed, 1);
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
    uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != SCHED_YIELD_AARCH64)
        return;
    if (marks++ % 2)
        fprintf(stderr, "instructions: %llu\n", (unsigned long long)(executed - begun));
    begun = executed;
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info, (void)count, (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
