// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpi_tryboot: reboot "0 tryboot" starts the other slot once.
 *
 * The firmware of a Raspberry Pi forgets this wish at the start that follows, so a system
 * that is only on trial is left by any restart, whatever caused it. Raspberry Pi's own
 * kernel asks for it in its firmware driver; mainline's driver, which Debian ships, does
 * not, and nothing outside the kernel can reach the mailbox.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

/* RPI_FIRMWARE_SET_REBOOT_FLAGS of Raspberry Pi's kernel */
#define SET_REBOOT_FLAGS 0x00038064
#define REBOOT_FLAG_TRYBOOT BIT(0)

static struct rpi_firmware *firmware;

static int before_restart(struct notifier_block *nb, unsigned long action, void *arg)
{
	u32 flags = REBOOT_FLAG_TRYBOOT;
	int err;

	if (action != SYS_RESTART || !arg || !strstr(arg, "tryboot"))
		return NOTIFY_DONE;
	err = rpi_firmware_property(firmware, SET_REBOOT_FLAGS, &flags, sizeof(flags));
	if (err)
		pr_err("the firmware does not know trial starts: %d\n", err);
	else
		pr_info("asked the firmware for a trial start\n");
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = before_restart };

static int __init rpi_tryboot_init(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "raspberrypi,bcm2835-firmware");
	int err;

	if (!node)
		return -ENODEV;
	firmware = rpi_firmware_get(node);
	of_node_put(node);
	if (!firmware)
		return -EPROBE_DEFER;
	err = register_reboot_notifier(&notifier);
	if (err)
		rpi_firmware_put(firmware);
	return err;
}

static void __exit rpi_tryboot_exit(void)
{
	unregister_reboot_notifier(&notifier);
	rpi_firmware_put(firmware);
}

module_init(rpi_tryboot_init);
module_exit(rpi_tryboot_exit);

MODULE_DESCRIPTION("trial starts of the other slot (Raspberry Pi tryboot)");
MODULE_LICENSE("GPL");
