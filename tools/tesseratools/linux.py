"""Debian's cloud kernel, the one that behaviour and speed are compared with: found on the host, or fetched without touching its boot."""

import glob
import os
import re
import subprocess

from .errors import UsageError

PACKAGE = "linux-image-cloud-amd64"
KERNELS = "boot/vmlinuz-*-cloud-amd64"


def newest(paths):
    """The path whose version numbers are highest, or None."""
    return max(paths, key=lambda path: [int(number) for number in re.findall(r"\d+", path)], default=None)


def kernel_fetch(build):
    """Unpacks Debian's cloud kernel below the folder without installing it."""
    os.makedirs(build, exist_ok=True)
    depends = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True, check=True).stdout
    image = re.search(r"Depends: (linux-image-\S+)", depends)
    if not image:
        raise UsageError(f"no kernel: apt knows no package {PACKAGE}")
    subprocess.run(["apt-get", "download", image.group(1)], cwd=build, check=True, stdout=subprocess.DEVNULL)
    package = newest(glob.glob(os.path.join(build, "*.deb")))
    subprocess.run(["dpkg-deb", "--extract", package, build], check=True)


def kernel_find(build):
    """The newest cloud kernel of this host, else one fetched into the folder."""
    found = newest(glob.glob(f"/{KERNELS}")) or newest(glob.glob(os.path.join(build, KERNELS)))
    if not found:
        kernel_fetch(build)
        found = newest(glob.glob(os.path.join(build, KERNELS)))
    if not found:
        raise UsageError(f"no kernel: {PACKAGE} holds no {KERNELS}")
    return found
