# SPDX-License-Identifier: BSD-2-Clause
"""The web site: whole, linked, and nothing that a notice says gets out of its text.  site.py ERRATA ROOT"""

import html.parser
import json
import os
import shutil
import subprocess
import urllib.parse
import xml.etree.ElementTree
from tap import DATA, ROOT, TMP, Key, errata, path, read, real_keys, run, test, write

TEXT = read(os.path.join(ROOT, "tests/errata/notice.txt")).decode()
KEY = Key()
ATOM = "{http://www.w3.org/2005/Atom}"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp; &#60;b> ]]> \x01\x7f\u0085\ufffe </pre></title>"
ALLOWED = set("html head meta title link style body nav a p h1 h2 dl dt dd br ol li div table tr th td pre footer form input"
              " select option output time span script".split())


class Page(html.parser.HTMLParser):
    """Its links, ids, elements and text."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.tags, self.text, self.scripts = [], set(), [], "", 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id":
                self.ids.add(value)

    def handle_data(self, data):
        self.text += data


def pages(folder):
    return {name: Page(read(os.path.join(folder, name)).decode()) for name in sorted(os.listdir(folder)) if name.endswith(".html")}


def resolve(folder):
    """Every link leads to a file of the site, and to an id in it, or elsewhere by https; returns the pages."""
    all_pages = pages(folder)
    for name, page in all_pages.items():
        for link in page.links:
            url = urllib.parse.urlparse(urllib.parse.urljoin("https://site.example/" + name, link))
            if url.netloc != "site.example":
                assert url.scheme in ("http", "https"), (name, link)
                continue
            file = urllib.parse.unquote(url.path[1:])
            assert os.path.isfile(os.path.join(folder, file)), (name, link)
            assert not url.fragment or url.fragment in all_pages[file].ids, (name, link)
    return all_pages


def feed(folder):
    return xml.etree.ElementTree.parse(os.path.join(folder, "feed.xml")).getroot()


def make(name, notices, *args, keyring=True):
    for file, text in notices.items():
        write(f"{name}/{file}.asc", text)
    out = path(name + ".site")
    code, _, err = errata("site", *(["--keyring", KEY.file] if keyring else []), *args, path(name), out)
    return code, out, err


@test
def whole():
    """a site: page, JSON, OSV and signed original of each notice, newest first; CVEs and mentions linked"""
    older = TEXT.replace("EN-23:08.vnet", "SA-23:01.geli").replace("2023-08-01\n", "2023-02-08\n", 1)
    signed = KEY.sign(TEXT)
    code, out, err = make("two", {"FreeBSD-EN-23:08.vnet": signed, "FreeBSD-SA-23:01.geli": KEY.sign(older)})
    assert code == 0 and not err, err
    all_pages = resolve(out)
    assert set(all_pages) == {"index.html", "cves.html", "FreeBSD-EN-23:08.vnet.html", "FreeBSD-SA-23:01.geli.html"}
    front = [link for link in all_pages["index.html"].links if "FreeBSD-" in link]
    assert front == ["./FreeBSD-EN-23:08.vnet.html", "./FreeBSD-SA-23:01.geli.html"], front
    assert read(os.path.join(out, "FreeBSD-EN-23:08.vnet.asc")) == signed
    page = all_pages["FreeBSD-EN-23:08.vnet.html"]
    for want in ("good signature", "Test Officer", "13.2-RELEASE-p2", "releng/13.2-n254623", "aarch64 only", TEXT.split("\n")[0]):
        assert want in page.text, (want, page.text)
    assert "./FreeBSD-SA-23:01.geli.html" in page.links and "cves.html#CVE-2023-0001" in page.links
    with open(os.path.join(out, "FreeBSD-EN-23:08.vnet.json"), encoding="utf-8") as file:
        assert json.load(file)["verification"]["trusted"]
    with open(os.path.join(out, "FreeBSD-EN-23:08.vnet.osv.json"), encoding="utf-8") as file:
        assert json.load(file)["id"] == "FreeBSD-EN-23:08.vnet"
    with open(os.path.join(out, "index.json"), encoding="utf-8") as file:
        assert [n["page"] for n in json.load(file)] == ["FreeBSD-EN-23:08.vnet", "FreeBSD-SA-23:01.geli"]
    assert sum(tag == "option" for tag, _ in all_pages["index.html"].tags) == 2 + 1 + 4


@test
def atom():
    """the feed is well-formed Atom: ids, dates, links; the same each time; absolute with --url"""
    code, out, err = make("atom", {"FreeBSD-EN-23:08.vnet": KEY.sign(TEXT)})
    assert code == 0, err
    root = feed(out)
    (entry,) = root.findall(ATOM + "entry")
    assert root.tag == ATOM + "feed" and root.find(ATOM + "updated").text == "2023-08-01T00:00:00Z"
    for element in (root, entry):
        for name in ("id", "title", "updated"):
            assert element.find(ATOM + name).text, name
    assert entry.find(ATOM + "link").get("href") == "./FreeBSD-EN-23:08.vnet.html"
    before = {name: read(os.path.join(out, name)) for name in os.listdir(out)}
    code, out, err = make("atom", {})
    assert code == 0 and before == {name: read(os.path.join(out, name)) for name in os.listdir(out)}, err
    code, out, err = make("atom", {}, "--url", "https://example.org/n")
    assert code == 0 and feed(out).find(f"{ATOM}entry/{ATOM}link").get("href") == "https://example.org/n/FreeBSD-EN-23:08.vnet.html"
    code, _, err = make("atom", {}, "--url", "javascript:alert(1)")
    assert code == 2 and "no URL" in err


@test
def gone():
    """a notice that is gone takes its pages along, and nothing else, whatever the old index says"""
    names = ["FreeBSD-EN-23:08.vnet", "FreeBSD-SA-23:01.geli"]
    code, out, err = make("gone", {name: KEY.sign(TEXT) for name in names})
    assert code == 0, err
    before = set(os.listdir(out))
    os.unlink(path("gone/FreeBSD-SA-23:01.geli.asc"))
    for keep in ("CNAME", "x.html", "../outside.html", "x.json"):
        write("gone.site/" + keep, "mine")
    index = os.path.join(out, "index.json")
    pages_of = json.loads(read(index))
    write("gone.site/index.json", json.dumps(pages_of + [{"page": "../outside"}, {"page": "cves"}, {"page": 1}, {}, 3]))
    code, _, err = errata("site", "--keyring", KEY.file, path("gone"), out)
    assert code == 0, err
    left = set(os.listdir(out))
    assert left == {n for n in before if "geli" not in n} | {"CNAME", "x.html", "x.json"}, left
    assert os.path.isfile(path("outside.html"))
    write("gone.site/index.json", "no JSON")
    code, _, err = errata("site", "--keyring", KEY.file, path("gone"), out)
    assert code == 0 and set(os.listdir(out)) == left, err


@test
def hostile():
    """a notice full of markup stays text, in every field, section, file name and id"""
    lines = TEXT.split("\n")
    for i, line in enumerate(lines):
        name = line.split(":")[0]
        if name in ("Topic", "Category", "Module", "Credits", "Affects", "CVE Name"):
            lines[i] = f"{line} {EVIL}"
    text = "\n".join(lines).replace("None.", EVIL).replace("\nreleng/13.2/ ", "\nreleng/<b>/ ")
    text += f"<URL:https://example.org/\"onclick=alert(3)>\n<URL:javascript:alert(4)>\n"
    evil_id = TEXT.replace("FreeBSD-EN-23:08.vnet  ", "FreeBSD-EN-23:08.<img>  ")
    code, out, err = make("evil", {"FreeBSD-EN-23:08.vnet": KEY.sign(text), "\"><img src=x>": KEY.sign(evil_id),
                                   "FreeBSD-EN-23:09.latin": KEY.sign(TEXT.encode().replace(b"Nobody", b"J\xf6rg <i>"))})
    assert code == 0, err
    for name, page in resolve(out).items():
        for tag, attrs in page.tags:
            assert tag in ALLOWED and not any(a.startswith("on") for a in attrs), (name, tag, attrs)
            assert tag not in ("script", "style") or not attrs, (name, tag, attrs)
        assert sum(tag == "script" for tag, _ in page.tags) == (name == "index.html"), name
        assert not any(link.lower().startswith("javascript") for link in page.links)
        assert "\x01" not in page.text and "\x7f" not in page.text and "\u0085" not in page.text
    assert "<script>alert(1)</script>" in pages(out)["FreeBSD-EN-23:08.vnet.html"].text
    assert len(feed(out).findall(ATOM + "entry")) == 3


@test
def distrusted():
    """what does not verify, or is refused, is marked as such and not announced in the feed"""
    signed = KEY.sign(TEXT)
    code, out, err = make("bad", {"FreeBSD-EN-23:08.vnet": signed.replace(b"13.2-RELEASE-p2", b"13.2-RELEASE-p1"),
                                  "FreeBSD-EN-23:07.two": signed + signed, "FreeBSD-EN-23:06.none": TEXT,
                                  "FreeBSD-EN-23:05.stranger": Key("S <s@example.org>").sign(TEXT)})
    assert code == 0 and not feed(out).findall(ATOM + "entry"), err
    all_pages = resolve(out)
    front = all_pages["index.html"].text
    for want in ("bad", "refused", "unsigned", "no-key"):
        assert want in front, (want, front)
    assert "BAD signature" in all_pages["FreeBSD-EN-23:08.vnet.html"].text
    assert "geli" not in all_pages["FreeBSD-EN-23:07.two.html"].text
    code, _, err = make("bad", {}, keyring=False)
    assert code == 0 and "not verified" in err


@test
def refusals():
    """two files with one page's name, no folder, no place: an error that names it"""
    signed = KEY.sign(TEXT)
    code, out, err = make("clash", {"FreeBSD-EN-23:08.a b": signed, "FreeBSD-EN-23:08.a?b": signed})
    assert code == 1 and "made twice" in err and not os.path.exists(out), err
    code, _, err = make("clash2", {"index": signed})
    assert code == 1 and "index.html" in err
    code, _, err = errata("site", path("nothing"), path("out"))
    assert code == 1 and "nothing" in err
    code, _, err = errata("site", path("two"), write("file", ""))
    assert code == 1 and "file" in err


def chromium(url, *args):
    """The page after its scripts ran."""
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={TMP.name}/chromium", "--virtual-time-budget=2000", *args, url],
        capture_output=True, timeout=60, check=True)
    return done.stdout.decode(errors="replace")


@test
def browser():
    """in Chromium, from a file: the script runs under the page's policy, hostile ones do not"""
    if shutil.which("chromium") is None:
        return "no chromium"
    code, out, err = make("chrome", {"FreeBSD-EN-23:08.vnet": KEY.sign(TEXT.replace("None.", EVIL))})
    assert code == 0, err
    dom = chromium("file://" + os.path.join(out, "index.html"), "--dump-dom")
    assert "<output>1 of 1</output>" in dom and "<form>" in dom, dom[-3000:]
    shot = path("phone.png")
    chromium("file://" + os.path.join(out, "index.html"), "--window-size=390,844", f"--screenshot={shot}")
    assert read(shot).startswith(b"\x89PNG")
    return None


@test(data=True)
def real():
    """FreeBSD's 106 notices: every page made, every link resolves"""
    out = path("real.site")
    code, _, err = errata("site", *real_keys(), os.path.join(DATA, "notices"), out)
    assert code == 0, err
    all_pages = resolve(out)
    assert len(all_pages) == 106 + 2 and len(feed(out).findall(ATOM + "entry")) == 87
    assert "relocation" in all_pages["FreeBSD-EN-23:08.vnet.html"].text


run()
