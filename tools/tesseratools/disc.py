"""A disc that GRUB starts from, by BIOS and by UEFI: the image by Multiboot 2, the root as its module."""

import os
import shutil
import subprocess
import tempfile

from .errors import UsageError

TOOLS = ("grub-mkrescue", "xorriso", "mformat")
MODULES = ("/usr/lib/grub/i386-pc", "/usr/lib/grub/x86_64-efi")
# GRUB is to be seen wherever the system will be: on the screen, if there is one, and on the first serial port.
CONFIGURATION = """set timeout=0
if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial console
fi
menuentry "Tessera" {{
    multiboot2 /boot/tessera.elf {arguments}
    module2 /boot/root.cpio
}}
"""


def missing():
    """What is not there of the tools and of GRUB's own modules for the two kinds of firmware."""
    return [tool for tool in TOOLS if not shutil.which(tool)] + [folder for folder in MODULES if not os.path.isdir(folder)]


def make(output, image, archive, arguments):
    """Writes the disc; arguments is the core's command line, which has no character that GRUB takes for its own."""
    if missing():
        raise UsageError(f"{', '.join(missing())} missing: run tools/setup.sh iso")
    with tempfile.TemporaryDirectory() as folder:
        boot = os.path.join(folder, "boot")
        os.makedirs(os.path.join(boot, "grub"))
        shutil.copy(image, os.path.join(boot, "tessera.elf"))
        shutil.copy(archive, os.path.join(boot, "root.cpio"))
        with open(os.path.join(boot, "grub", "grub.cfg"), "w", encoding="utf-8") as config:
            config.write(CONFIGURATION.format(arguments=grub_quote(arguments)))
        made = subprocess.run(["grub-mkrescue", "-o", output, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        raise UsageError(f"grub-mkrescue: {made.stdout.decode(errors='replace').strip().splitlines()[-1:]}")


def grub_quote(arguments):
    """Each word in single quotes, within which GRUB's shell changes nothing; words have no quotes (machine.percent_encode)."""
    return " ".join(f"'{word}'" for word in arguments.split())
