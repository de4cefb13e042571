# SPDX-License-Identifier: BSD-2-Clause
"""Source patches: verified, strict, all files or none.  patch.py ERRATA ROOT CRASH.so"""

import os
import shutil
import subprocess
import sys
from tap import DATA, ERRATA, Key, errata, errata_json, path, read, real_keys, run, test, write

KEY = Key()
CRASH = os.path.abspath(sys.argv[3])
OLD = "".join(f"line {i}\n" for i in range(1, 41))
NEW = OLD.replace("line 20\n", "line twenty\nline 20b\n")
PATCH = """--- sys/conf/kmod.mk.orig
+++ sys/conf/kmod.mk
@@ -19,3 +19,4 @@
 line 19
-line 20
+line twenty
+line 20b
 line 21
--- /dev/null
+++ sys/new/deep/file.c
@@ -0,0 +1,2 @@
+one
+two
--- lib/libgone/gone.c.orig
+++ /dev/null
@@ -1,1 +0,0 @@
-gone
"""


def tree(name="tree"):
    shutil.rmtree(path(name), ignore_errors=True)
    write(f"{name}/sys/conf/kmod.mk", OLD)
    write(f"{name}/lib/libgone/gone.c", "gone\n")
    os.chmod(path(f"{name}/sys/conf/kmod.mk"), 0o640)
    return path(name)


def state(root):
    found = {}
    for folder, _, files in os.walk(root):
        for file in files:
            full = os.path.join(folder, file)
            found[os.path.relpath(full, root)] = (read(full), os.stat(full).st_mode)
    return found


def signed(text, key=KEY, name="a.patch"):
    write(name + ".asc", key.detach(text))
    return write(name, text)


def patch(root, file, *args, key=KEY.file):
    return errata("patch", "--keyring", key, "--root", root, *args, file)


def refused(text, why, root=None):
    root = root or tree()
    before = state(root)
    code, _, err = patch(root, signed(text))
    assert code == 1 and why in err, (why, err)
    assert state(root) == before


@test
def applies():
    """a patch changes, creates and deletes files, keeps modes, says what to rebuild; -R takes it back"""
    root = tree()
    before = state(root)
    code, out, err = patch(root, signed(PATCH), "--dry-run")
    assert code == 0 and "nothing was changed" in out and state(root) == before, err
    code, out, err = patch(root, signed(PATCH))
    assert code == 0 and "every kernel module" in out, (out, err)
    after = state(root)
    assert after["sys/conf/kmod.mk"] == (NEW.encode(), 0o100640) and after["sys/new/deep/file.c"][0] == b"one\ntwo\n"
    assert set(after) == {"sys/conf/kmod.mk", "sys/new/deep/file.c"}
    code, _, err = patch(root, signed(PATCH))
    assert code == 1 and "does not fit" in err and state(root) == after, err
    j = errata_json("patch", "--json", "-R", "--keyring", KEY.file, "--root", root, signed(PATCH))
    assert j["applied"] and {f["action"] for f in j["files"]} == {"change", "create", "delete"}
    assert {k: v[0] for k, v in state(root).items()} == {k: v[0] for k, v in before.items()}


@test
def one_byte():
    """one byte changed in the patch, in its signature or in the tree: refused, the tree as it was"""
    root = tree()
    before = state(root)
    file = signed(PATCH)
    write("a.patch", PATCH.replace("20b", "20c"))
    code, _, err = patch(root, file)
    assert code == 1 and "BAD signature" in err and state(root) == before, err
    signed(PATCH)
    os.unlink(file + ".asc")
    code, _, err = patch(root, file)
    assert code == 1 and state(root) == before
    code, _, err = patch(root, signed(PATCH), key=Key("Stranger <s@example.org>").file)
    assert code == 1 and "not in the keyring" in err and state(root) == before
    write("tree/sys/conf/kmod.mk", OLD.replace("line 21", "line 2l"))
    refused(PATCH, "does not fit", root)
    write("tree/sys/conf/kmod.mk", OLD)
    write("tree/lib/libgone/gone.c", "gone!\n")
    refused(PATCH, "does not fit", root)


@test
def moved():
    """a hunk that has moved is found when its place is the only one, and refused when there are two"""
    one = PATCH.split("--- /dev/null")[0]
    root = tree()
    write("tree/sys/conf/kmod.mk", "new first line\n" + OLD)
    code, out, err = patch(root, signed(one))
    assert code == 0 and "moved by 1 lines" in out, (out, err)
    write("tree/sys/conf/kmod.mk", "new first line\n" + OLD + OLD)
    refused(one, "several places", root)


@test
def names():
    """absolute names, "..", symbolic links, two names, files twice: refused"""
    one = PATCH.split("--- /dev/null")[0]
    for bad in ("/etc/passwd", "../x", "sys/../../x", "sys//x", "./x", ".git/config", ".errata-patch/journal"):
        refused(one.replace("sys/conf/kmod.mk", bad), "is refused")
    refused(one.replace("+++ sys/conf", "+++ sys/other"), "two names")
    refused(one + one, "second time")
    root = tree()
    shutil.move(path("tree/sys/conf"), path("elsewhere"))
    os.symlink(path("elsewhere"), path("tree/sys/conf"))
    refused(one, "symbolic link", root)
    shutil.rmtree(path("elsewhere"))
    root = tree()
    os.rename(path("tree/sys/conf/kmod.mk"), path("kmod"))
    os.symlink(path("kmod"), path("tree/sys/conf/kmod.mk"))
    refused(one, "symbolic link", root)


@test
def grammar():
    """wrong counts, garbage, context diffs, cut patches: refused with the line"""
    one = PATCH.split("--- /dev/null")[0]
    refused("*** a.orig\n--- a\n***************\n", "context diff")
    refused("hello\n" + one, "line 1")
    refused(one.replace("@@ -19,3", "@@ -19,4"), "hunk")
    refused(one.replace("@@ -19,3 +19,4 @@", "@@ -19 @@"), "line 3")
    refused(one.rstrip("\n"), "ends within")
    refused(one.split("@@")[0], "no hunk")
    refused("\n", "no unified diff")
    refused("diff -u a b\n", "no unified diff")
    refused(one.replace(" line 19", "line 19"), "begins with a blank")


@test
def newline():
    """a file that ends without a newline"""
    root = tree()
    write("tree/x", "a\nb")
    code, _, err = patch(root, signed("--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"))
    assert code == 0 and read(path("tree/x")) == b"a\nb\n", err


@test
def crash():
    """killed before any change to the file system: afterwards all files are patched, or none is"""
    root = tree()
    before = state(root)
    patch(root, signed(PATCH))
    after = state(root)
    seen = set()
    for at in range(1, 200):
        tree()
        done = subprocess.run([ERRATA, "patch", "--keyring", KEY.file, "--root", root, path("a.patch")], check=False,
                              capture_output=True, env={**os.environ, "LD_PRELOAD": CRASH, "CRASH_AT": str(at)})
        code, _, err = errata("patch", "--root", root)
        assert code == 0, err
        now = state(root)
        assert now in (before, after), (at, now)
        seen.add(now == after)
        assert not os.path.exists(path("tree/.errata-patch")), at
        if done.returncode == 0:
            break
        assert done.returncode == 99, done.stderr
    else:
        raise AssertionError("never finished")
    assert seen == {True, False} and at > 15, (seen, at)


@test
def io_errors():
    """any one change failing: refused with the tree as it was, or applied"""
    root = tree()
    before = state(root)
    patch(root, signed(PATCH))
    after = state(root)
    for at in range(1, 60):
        tree()
        done = subprocess.run([ERRATA, "patch", "--keyring", KEY.file, "--root", root, path("a.patch")], check=False,
                              capture_output=True,
                              env={**os.environ, "LD_PRELOAD": CRASH, "CRASH_AT": str(at), "CRASH_FAIL": "1"})
        assert done.returncode in (0, 1), done.stderr
        errata("patch", "--root", root)
        now = state(root)
        assert now in ((after,) if done.returncode == 0 else (before, after)), (at, done, now)


def kmod(patch_text):
    """A file that the hunks of the patch fit, at the lines that they name."""
    lines = []
    for hunk in patch_text.split("\n@@ ")[1:]:
        start = int(hunk.split(",")[0][1:])
        old = [line[1:] for line in hunk.split("\n")[1:] if line[:1] in (" ", "-")]
        lines += [f"# filler {i}" for i in range(len(lines), start - 1)] + old
    return "\n".join(lines) + "\n# the end\n"


@test(data=True)
def real():
    """EN-23:08's own patch verifies and applies; with one byte changed, in it or in the tree, it does not"""
    file = os.path.join(DATA, "patches", "EN-23:08", "vnet.patch")
    text = read(file).decode()
    root = path("real")
    write("real/sys/conf/kmod.mk", kmod(text))
    before = state(root)
    code, out, err = errata("patch", *real_keys(), "--root", root, file)
    assert code == 0 and "every kernel module" in out and "FreeBSD Security Officer" in out, (out, err)
    assert b"LDFLAGS+=\t--no-relax" in read(path("real/sys/conf/kmod.mk"))
    code, _, err = errata("patch", "-R", *real_keys(), "--root", root, file)
    assert code == 0 and state(root) == before, err
    for i in range(0, len(text), 37):
        bad = write("bad.patch", text[:i] + chr(ord(text[i]) ^ 1) + text[i + 1:])
        code, _, err = errata("patch", *real_keys(), "--signature", file + ".asc", "--root", root, bad)
        assert code == 1 and "BAD signature" in err and state(root) == before, err
    write("real/sys/conf/kmod.mk", kmod(text).replace("-fPIC", "-fpic"))
    before = state(root)
    code, _, err = errata("patch", *real_keys(), "--root", root, file)
    assert code == 1 and "does not fit" in err and state(root) == before, err


@test(data=True)
def real_others():
    """FreeBSD's other patches at hand verify and parse"""
    for name in ("EN-23:03/ena", "EN-24:06/wireguard", "SA-16:25/bspatch", "SA-23:01/geli", "SA-24:08/openssh"):
        code, _, err = errata("patch", "--dry-run", *real_keys(), "--root", path("real"),
                              os.path.join(DATA, "patches", name + ".patch"))
        assert code == 1 and "is not there" in err, (name, err)


run()
