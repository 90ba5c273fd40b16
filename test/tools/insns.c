/* Counts the instructions that a program runs under qemu-user (docs/devel/tcg-plugins in QEMU).
 * Debian packs no header for plugins: what is needed of it stands here, of version 1 of the
 * interface, which QEMU 4.2 to 9 have. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t id_t_;
struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(id_t_, void (*)(id_t_, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *to, uint64_t add);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_atexit_cb(id_t_, void (*)(id_t_, void *), void *);

int qemu_plugin_version = 1;

static uint64_t count;

static void translated(id_t_ id, struct qemu_plugin_tb *block)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &count, qemu_plugin_tb_n_insns(block));
}

static void ended(id_t_ id, void *p)
{
	(void)id;
	(void)p;
	fprintf(stderr, "instructions %llu\n", (unsigned long long)count);
}

int qemu_plugin_install(id_t_ id, const void *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
