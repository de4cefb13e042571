# SPDX-License-Identifier: BSD-2-Clause
"""Notices: read without loss, verified, tampering refused, answered.  notices.py ERRATA ROOT"""

import csv
import datetime
import glob
import json
import os
import re
from tap import DATA, ROOT, Key, errata, errata_json, path, read, real_keys, run, test, write

TEXT = read(os.path.join(ROOT, "tests/errata/notice.txt")).decode()
KEY = Key()
SIGNED = KEY.sign(TEXT).decode()
GOOD = write("good/FreeBSD-EN-23:08.vnet.asc", SIGNED)


def verify(name, text, key=KEY):
    code, out, _ = errata("verify", "--keyring", key.file, write(name, text))
    return code, out


@test
def lossless():
    """what is printed from the parse is the signed text"""
    for keys in ([], ["--keyring", KEY.file]):
        code, out, err = errata("show", "--text", *keys, GOOD)
        assert code == 0 and out.rstrip() == TEXT.rstrip(), (out, err)


@test
def fields():
    """fields, sections, wrapped corrections and the table are read"""
    n = errata_json("show", "--json", "--keyring", KEY.file, GOOD)
    assert n["id"] == "FreeBSD-EN-23:08.vnet" and n["kind"] == "errata notice", n
    assert n["verification"]["status"] == "good" and n["verification"]["trusted"], n["verification"]
    assert "Test Officer" in n["verification"]["signer"]
    assert n["credits"] == "Nobody, who did nothing" and n["cves"] == ["CVE-2023-0001"]
    stable, releng = n["corrections"]
    assert stable["branch"] == "stable/13" and stable["count"] == 255888 and stable["hash"] == "98e7f836e65e"
    assert releng["version"] == "13.2-RELEASE-p2" and releng["date"] == "2023-08-01" and releng["count"] == 254623
    assert [s["number"] for s in n["sections"]] == ["I", "II", "III", "IV", "V", "VI", "VII"]
    assert n["mentions"] == ["FreeBSD-SA-23:01.geli"] and n["reboot"]


@test
def page():
    """the page for the terminal names signer, fix and architecture"""
    code, out, _ = errata("show", "--keyring", KEY.file, GOOD)
    assert code == 0
    for want in ("good signature", "Test Officer", "releng/13.2", "13.2-RELEASE-p2", "n254623", "only aarch64"):
        assert want in out, (want, out)


@test
def tamper_text():
    """tamper probe: one changed letter"""
    code, out = verify("a.asc", SIGNED.replace("13.2-RELEASE-p2", "13.2-RELEASE-p1"))
    assert code == 1 and "BAD signature" in out, out


@test
def tamper_armor_header():
    """tamper probe: a Topic in the armour's headers"""
    first, rest = SIGNED.split("\n", 1)
    code, out = verify("a.asc", f"{first}\nTopic: all is well\n{rest}")
    assert code == 1 and "refused" in out and "line 2" in out, out


@test
def tamper_before():
    """tamper probe: text before the message"""
    code, out = verify("a.asc", "Topic: all is well\n\n" + SIGNED)
    assert code == 1 and "refused: line 1" in out, out


@test
def tamper_behind():
    """tamper probe: text behind the message"""
    code, out = verify("a.asc", SIGNED + "\nCorrected: never mind\n")
    assert code == 1 and "follows the signature" in out, out


@test
def tamper_two():
    """tamper probe: two messages in one file, each good"""
    code, out = verify("a.asc", SIGNED + KEY.sign("Topic: another\n").decode())
    assert code == 1 and "refused" in out, out


@test
def tamper_more():
    """text between message and signature, in its headers or in it, an unescaped dash, no end: all refused"""
    sig = "-----BEGIN PGP SIGNATURE-----"
    begin, rest = SIGNED.split(sig)
    cases = [begin + sig + "\nTopic: all is well" + rest,
             begin + sig + rest.replace("\n\n", "\n\nTopic: all is well\n", 1),
             SIGNED.replace("- ----- A line", "----- A line"),
             SIGNED.replace("-----END PGP SIGNATURE-----", ""),
             SIGNED.replace("Hash: ", "Hash: Topic, "),
             begin,
             SIGNED.replace("None.", "No\0ne.")]
    for case in cases:
        code, out = verify("a.asc", case)
        assert code == 1 and "refused" in out, out
        code, out, err = errata("show", path("a.asc"))
        assert code == 1 and not out and "refused" in err, (out, err)


@test
def stranger():
    """another's signature and an unsigned text are told apart, and not believed"""
    code, out = verify("a.asc", SIGNED, Key("Stranger <s@example.org>"))
    assert code == 1 and "not in the keyring" in out, out
    code, out = verify("a.asc", TEXT)
    assert code == 1 and "not signed" in out, out
    code, _, err = errata("verify", GOOD)
    assert code == 2 and "--keyring" in err


@test
def escapes():
    """control characters of a notice do not reach the terminal"""
    bad = write("esc.asc", KEY.sign(TEXT.replace("None.", "\033[31mNone\x07.\u009b1m")))
    _, out, _ = errata("show", "--keyring", KEY.file, bad)
    assert "None" in out and "\033" not in out and "\x07" not in out and "\u009b" not in out


def affects(*args, text=None):
    file = GOOD if text is None else write("affects/FreeBSD-EN-23:08.vnet.asc", KEY.sign(text))
    (answer,) = errata_json("affects", "--json", "--keyring", KEY.file, *args, file)
    assert answer["reason"]
    return answer["answer"]


@test
def affects_release():
    """affected, fixed, reboot required, not affected: by -k, -r, patch level and architecture"""
    arm = ("--arch", "arm64")
    assert affects("--kernel", "13.2-RELEASE-p1", *arm) == "affected"
    assert affects("--kernel", "13.2-RELEASE", *arm) == "affected"
    assert affects("--kernel", "13.2-RELEASE-p2", *arm) == "fixed"
    assert affects("--kernel", "13.2-RELEASE-p2", "--running", "13.2-RELEASE-p1", *arm) == "reboot required"
    assert affects("--kernel", "13.2-RELEASE-p1", "--arch", "amd64") == "not affected"
    assert affects("--kernel", "13.2-RELEASE-p1") == "unknown"
    assert affects("--kernel", "12.4-RELEASE-p3", *arm) == "not affected"
    assert affects("--kernel", "13.3-RELEASE", *arm) == "fixed"
    assert affects("--user", "13.2-RELEASE-p1", *arm) == "unknown"


@test
def affects_stable():
    """STABLE: by n-number, within its branch only"""
    arm = ("--arch", "aarch64")
    assert affects("--kernel", "13.2-STABLE stable/13-n255887", *arm) == "affected"
    assert affects("--kernel", "13.2-STABLE stable/13-n255888-98e7f836e65e", *arm) == "fixed"
    assert affects("--kernel", "13.2-STABLE main-n300000", *arm) == "unknown"
    assert affects("--kernel", "13.2-STABLE", *arm) == "unknown"
    assert affects("--kernel", "14.0-CURRENT main-n260000", *arm) == "not affected"


@test
def affects_support():
    """all supported versions: an old release is unknown, never safe; a newer one likely fixed"""
    arm = ("--arch", "aarch64")
    text = TEXT.replace("FreeBSD 13.2\n", "All supported versions of FreeBSD.\n")
    assert affects("--kernel", "11.0-RELEASE-p9", *arm, text=text) == "unknown"
    assert affects("--kernel", "15.0-RELEASE", *arm, text=text) == "fixed"
    text = TEXT.replace("FreeBSD 13.2\n", "FreeBSD 13.0 and later.\n")
    assert affects("--kernel", "13.1-RELEASE-p9", *arm, text=text) == "affected"


@test
def affects_distrust():
    """with a keyring, what does not verify answers nothing; exit codes say it"""
    other = Key("Stranger <s@example.org>")
    code, out, _ = errata("affects", "--keyring", other.file, "--kernel", "13.2-RELEASE-p1", "--arch", "arm64", GOOD)
    assert code == 0 and "not to be believed" in out, out
    code, _, _ = errata("affects", "--keyring", KEY.file, "--kernel", "13.2-RELEASE-p1", "--arch", "arm64", GOOD)
    assert code == 1
    code, _, err = errata("affects", "--kernel", "13.2", GOOD)
    assert code == 2 and "is no version" in err
    code, _, err = errata("affects", "--host", GOOD)
    assert code == 2 and "no FreeBSD" in err


@test
def overlay():
    """an overlay of the user's wins, and a bad one is refused"""
    facts = write("o.json", '{"FreeBSD-EN-23:08.vnet": {"arch": ["riscv64"], "why": "a test"}}')
    (a,) = errata_json("affects", "--json", "--overlay", facts, "--kernel", "13.2-RELEASE-p1", "--arch", "riscv64", GOOD)
    assert a["answer"] == "affected"
    for bad in ("[]", "{", '{"FreeBSD-EN-23:08.vnet": {"arches": [], "why": "x"}}', '{"a": {"arch": ["x"]}}'):
        code, _, err = errata("affects", "--overlay", write("o.json", bad), "--kernel", "13.2-RELEASE", GOOD)
        assert code == 2 and "o.json" in err, err


@test
def listing():
    """list: by branch, date, category, module; unfixed"""
    other = TEXT.replace("23:08.vnet", "24:01.other").replace("2023-08-01\n", "2024-01-02\n", 1).replace("13.2", "14.0")
    write("good/FreeBSD-EN-24:01.other.asc", KEY.sign(other))
    folder = path("good")

    def ids(*args):
        return [n["id"][8:16] for n in errata_json("list", "--json", *args, folder)]
    assert ids() == ["EN-24:01", "EN-23:08"], ids()
    assert ids("--branch", "releng/13.2") == ["EN-23:08"] == ids("--branch", "13.2")
    assert ids("--since", "2024-01-01") == ["EN-24:01"] and ids("--category", "ports") == []
    assert ids("--module", "kernel") == ["EN-24:01", "EN-23:08"] and ids("--module", "other") == ["EN-24:01"]
    assert ids("--unfixed", "--branch", "13.2") == ["EN-24:01"] and ids("--unfixed") == []


@test
def osv():
    """OSV: ecosystem, range, references"""
    o = errata_json("osv", "--keyring", KEY.file, GOOD)
    assert o["id"] == "FreeBSD-EN-23:08.vnet" and o["schema_version"] and o["published"] == "2023-08-01T00:00:00Z"
    (a,) = o["affected"]
    assert a["package"]["ecosystem"] == "FreeBSD:kernel"
    assert a["ranges"][0]["events"] == [{"introduced": "13.2"}, {"fixed": "13.2_2"}]
    assert a["database_specific"]["architectures"] == ["aarch64"]
    assert {r["type"] for r in o["references"]} >= {"ADVISORY"}


def osv_check(o):
    """The rules of OSV's schema 1.6 for what a record of ours has: required, known names, forms, enumerations."""
    def known(part, names, required=()):
        assert set(part) <= set(names.split()) and set(required) <= set(part), part
    known(o, "schema_version id modified published aliases related upstream summary details affected references credits"
             " database_specific", ("id", "modified"))
    assert re.fullmatch(r"1\.\d+\.\d+", o["schema_version"]) and re.fullmatch(r"FreeBSD-(EN|SA|SN)-\d\d:\d\d(\..+)?", o["id"]), o["id"]
    for name in ("modified", "published"):
        assert datetime.datetime.strptime(o[name], "%Y-%m-%dT%H:%M:%SZ"), o[name]
    assert o["modified"] >= o["published"]
    for name in ("aliases", "related", "upstream"):
        assert all(re.fullmatch(r"(CVE|CAN)-\d{4}-\d{4,}", one) for one in o.get(name, [])), o[name]
        assert len(set(o.get(name, []))) == len(o.get(name, []))
    assert isinstance(o["summary"], str) and "\n" not in o["summary"] and isinstance(o["details"], str)
    for a in o["affected"]:
        known(a, "package severity ranges versions ecosystem_specific database_specific")
        known(a["package"], "ecosystem name purl", ("ecosystem", "name"))
        assert a["package"]["ecosystem"] in ("FreeBSD:kernel", "FreeBSD:base", "FreeBSD:ports") and a["package"]["name"]
        assert "ranges" in a or "versions" in a
        for r in a.get("ranges", []):
            known(r, "type repo events database_specific", ("type", "events"))
            assert r["type"] == "ECOSYSTEM" and any("introduced" in e for e in r["events"])
            for e in r["events"]:
                ((event, value),) = e.items()
                assert event in ("introduced", "fixed", "last_affected", "limit") and value
    for r in o["references"]:
        known(r, "type url", ("type", "url"))
        assert r["type"] in ("ADVISORY", "ARTICLE", "DETECTION", "DISCUSSION", "REPORT", "FIX", "INTRODUCED", "GIT", "PACKAGE",
                             "EVIDENCE", "WEB")
        assert re.fullmatch(r"(https?|ftp)://[^\s<>\"]+", r["url"]), r["url"]
    for c in o.get("credits", []):
        known(c, "name contact type", ("name",))
        assert c["name"]


@test
def osv_schema():
    """OSV: a record keeps to the schema's rules, whatever the notice lacks"""
    osv_check(errata_json("osv", "--keyring", KEY.file, GOOD))
    bare = TEXT.replace("Credits:        Nobody, who did\n                nothing\n", "").replace("CVE Name:       CVE-2023-0001\n", "")
    osv_check(errata_json("osv", write("bare/FreeBSD-EN-23:08.vnet.asc", bare.split("V.   Solution")[0])))


@test
def lint():
    """lint: each fault with its line, none in a clean text"""
    def found(text, name="FreeBSD-EN-23:08.vnet.asc"):
        return [(f["line"], f["what"]) for f in errata_json("lint", "--json", write("lint/" + name, KEY.sign(text)))]
    assert found(TEXT) == [], found(TEXT)
    line = TEXT.split("\n").index("Announced:      2023-08-01") + 1
    faults = [(TEXT.replace("2023-08-01\n", "2023-02-30\n", 1), line, "does not exist"),
              (TEXT.replace("2023-08-01\n", "2024-08-01\n", 1), line, "numbered in 2023"),
              (TEXT.replace("13.2-RELEASE-p2", "13.1-RELEASE-p2"), None, "does not lie on"),
              (TEXT.replace("stable/13-n255888", "stable/13-255888"), None, "lacks its n"),
              (TEXT.replace("releng/13.2-n254623", "releng/13.1-n254623"), None, "revision of releng/13.1"),
              (TEXT.replace("\nV.   Solution", "\nIX.  Solution"), None, "number 5"),
              (TEXT.replace("CVE-2023-0001", "CVE-23-1"), None, "is no CVE"),
              (TEXT.replace("Topic:  ", "Tropic: "), 0, "no field Topic")]
    for text, where, what in faults:
        hits = [f for f in found(text) if what in f[1] and where in (None, f[0])]
        assert hits, (what, where, found(text))
    assert any("the file FreeBSD-EN-23:09.x" in w for _, w in found(TEXT, "FreeBSD-EN-23:09.x.asc"))


@test
def usage():
    """usage: unknown commands, options and missing arguments exit with 2"""
    for args in ([], ["nonsense"], ["show"], ["show", "--nonsense", GOOD], ["list", "--keyring"], ["verify", "--dry-run", GOOD]):
        code, _, err = errata(*args)
        assert code == 2 and "usage" in err or "unknown" in err, (args, err)
    code, out, _ = errata("--help")
    assert code == 0 and "errata affects" in out
    code, _, err = errata("show", path("nothing"))
    assert code == 1 and "No such file" in err


def notices():
    return sorted(glob.glob(os.path.join(DATA, "notices", "*.asc")))


@test(data=True)
def real_expected():
    """FreeBSD's 106 notices verify as gpg says, for keys that are at hand"""
    with open(os.path.join(DATA, "notices", "EXPECTED.tsv"), encoding="utf-8") as table:
        expected = {row["file"]: row["gpg2"] for row in csv.DictReader(table, delimiter="\t")}
    results = {os.path.basename(r["file"]): r["status"] for r in errata_json("verify", "--json", *real_keys(), *notices())}
    assert len(results) == len(expected) == 106
    for file, gpg in expected.items():
        status = results[file]
        if gpg.startswith(("GOODSIG", "EXPKEYSIG")):
            assert status in ("good", "key-expired", "no-key"), (file, gpg, status)
        elif gpg.startswith("ERRSIG"):
            assert status == "weak", (file, gpg, status)
        else:
            assert status == "unsigned", (file, gpg, status)
    trusted = sum(s in ("good", "key-expired") for s in results.values())
    assert trusted == 87 and sum(s == "no-key" for s in results.values()) == 2, results


@test(data=True)
def real_lossless():
    """FreeBSD's 106 notices: the print of the parse is the text within the armour, line by line"""
    for file in notices():
        code, out, err = errata("show", "--text", file)
        assert code == 0, err
        raw = read(file).decode(errors="replace").replace("\r\n", "\n")
        if raw.startswith("-----BEGIN PGP SIGNED"):
            raw = raw.split("\n\n", 1)[1].rsplit("\n-----BEGIN PGP SIGNATURE-----", 1)[0]
            raw = "\n".join(line[2:] if line.startswith("- ") else line for line in raw.split("\n"))

        def bare(text):
            return [line.rstrip() for line in text.replace("\r\n", "\n").rstrip().split("\n")]
        assert bare(raw) == bare(out), file
        n = errata_json("show", "--json", file)
        assert n["topic"] and n["announced"] and n["sections"] and n["fields"], file


@test(data=True)
def real_showcase():
    """FreeBSD-EN-23:08.vnet itself: shown, verified, answered"""
    file = os.path.join(DATA, "notices", "FreeBSD-EN-23:08.vnet.asc")
    code, out, _ = errata("verify", *real_keys(), file)
    assert code == 0 and "FreeBSD Security Officer" in out and "2023-08-01" in out, out
    code, out, _ = errata("affects", *real_keys(), "--kernel", "13.2-RELEASE-p1", "--arch", "arm64", file)
    assert code == 1 and "affected" in out and "13.2-RELEASE-p2" in out and "--no-relax" in out, out
    code, out, _ = errata("show", *real_keys(), file)
    assert code == 0 and "releng/13.2" in out and "e3e6fc371322" in out and "relocation" in out
    for tampered in (read(file).replace(b"13.2-RELEASE-p2", b"13.2-RELEASE-p1"), b"Topic: no\n" + read(file),
                     read(file) + b"Topic: no\n", read(file) + read(file),
                     read(file).replace(b"Hash: SHA512", b"Hash: SHA512\nTopic: no")):
        code, _, _ = errata("verify", *real_keys(), write("t.asc", tampered))
        assert code == 1


@test(data=True)
def real_osv():
    """FreeBSD's 106 notices: each with a date is an OSV record that keeps to the schema's rules"""
    records = 0
    for file in notices():
        code, out, err = errata("osv", file)
        if not out:
            assert code == 1 and "no OSV record" in err, (file, err)
            continue
        records += 1
        try:
            osv_check(json.loads(out))
        except AssertionError as error:
            raise AssertionError(f"{file}: {error}") from error
    assert records >= 100, records


@test(data=True)
def real_lint():
    """FreeBSD's 106 notices lint, and known typos are found"""
    out = errata_json("lint", "--json", os.path.join(DATA, "notices"))
    assert any("EN-24:06.wireguard" in f["file"] and "lacks its n" in f["what"] for f in out), out
    assert {f["level"] for f in out} == {"note", "warning"}


run()
