# SPDX-License-Identifier: BSD-2-Clause
"""Is the fix in a git checkout?  revision.py ERRATA ROOT"""

import os
import subprocess
from tap import ROOT, Key, errata, errata_json, path, read, run, test, write

KEY = Key()
TEXT = read(os.path.join(ROOT, "tests/errata/notice.txt")).decode()
REPO = path("src")


def git(*args, at=REPO):
    return subprocess.run(["git", "-C", at, "-c", "user.name=t", "-c", "user.email=t@example.org", *args], check=True,
                          capture_output=True, text=True).stdout.strip()


def commit(name):
    write(os.path.join("src", name), name)
    git("add", "-A")
    git("commit", "-qm", name)
    return git("rev-parse", "--short=12", "HEAD")


os.makedirs(REPO)
git("init", "-q", "-b", "releng/13.2")
commit("one")
FIX = commit("sys/conf/kmod.mk")
commit("three")


def notice(fix, count):
    text = TEXT.replace("e3e6fc371322", fix).replace("releng/13.2-n254623", f"releng/13.2-n{count:06d}")
    return write("FreeBSD-EN-23:08.vnet.asc", KEY.sign(text))


def ask(file, repo=REPO):
    (answer,) = errata_json("revision", "--json", "--keyring", KEY.file, "--repo", repo, file)
    return answer["has"], answer["rows"][1]


@test
def by_commit():
    """by commit: in the history or not, with the files that it touched"""
    has, row = ask(notice(FIX, 999999))
    assert has == "yes" and row["files"] == ["sys/conf/kmod.mk"], row
    git("checkout", "-q", "-B", "releng/13.2", "HEAD~2")
    has, row = ask(notice(FIX, 999999))
    assert has == "no" and "not in" in row["reason"], row
    git("checkout", "-q", "-B", "releng/13.2", FIX)


@test
def by_count():
    """by count of first parents, when the commit is not there"""
    has, row = ask(notice("0123456789ab", 2))
    assert has == "yes" and "n2" in row["reason"], row
    has, _ = ask(notice("0123456789ab", 9))
    assert has == "no"


@test
def shallow():
    """a shallow clone is noticed"""
    git("clone", "-q", "--depth", "1", "file://" + REPO, path("shallow"), at=path(""))
    has, row = ask(notice("0123456789ab", 1), path("shallow"))
    assert has == "unknown" and "shallow" in row["reason"], row


@test
def no_repository():
    """no repository, no --repo: said so"""
    code, _, err = errata("revision", "--repo", path("nothing"), notice(FIX, 1))
    assert code == 2 and "nothing" in err
    code, _, err = errata("revision", notice(FIX, 1))
    assert code == 2 and "--repo" in err


run()
