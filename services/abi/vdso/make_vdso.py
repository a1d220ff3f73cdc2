#!/usr/bin/env python3
"""Builds the vDSO image and wraps it into C: make_vdso.py CC LD TOP OUTPUT_DIRECTORY"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-std=gnu17", "-O2", "-ffreestanding", "-fPIC", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-mgeneral-regs-only",
         "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"]
FOLDERS = ["core/include", "core/arch/x86_64/include", "services/runtime/arch/x86_64", "services"]


def image_build(compiler, linker, top, out):
    """Compiles and links; returns the bytes of the shared object."""
    compile_command = [compiler] + FLAGS + [f"-I{top}/{folder}" for folder in FOLDERS]
    subprocess.run(compile_command + ["-c", HERE / "vdso.c", "-o", out / "vdso.o"], check=True)
    subprocess.run([linker, "-shared", "-soname=linux-vdso.so.1", "--hash-style=both", "-Bsymbolic", "--no-undefined", "--build-id=none",
                    "-z", "norelro", "-z", "nognustack", "-z", "max-page-size=4096", "--strip-all", "-T", HERE / "vdso.ld",
                    "-o", out / "vdso.so", out / "vdso.o"], check=True)
    return (out / "vdso.so").read_bytes()


def source_text(image):
    lines = ["/* Generated from vdso/: the vDSO image. */", "#include \"vdso_image.h\"", "",
             f"const u32 vdso_image_size = {len(image)};", f"const u8 vdso_image[{len(image)}] = {{"]
    lines += ["\t" + ", ".join(str(byte) for byte in image[i:i + 24]) + "," for i in range(0, len(image), 24)]
    return "\n".join(lines + ["};", ""])


def main():
    compiler, linker, top, out = sys.argv[1:]
    out = pathlib.Path(out)
    (out / "vdso_image.c").write_text(source_text(image_build(compiler, linker, top, out)))


main()
