"""The report: one page that needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from rowfeed.cli.report.look import DARK, LIGHT, NARROW, WIDE
from rowfeed.cli.report.page import Bar, Figure, Picture, Report

NASTY = "<script>alert('\"&')</script>"


def page(**changes):
    """A report in which every picture says how it was drawn."""
    fields = {
        "title": "Title",
        "lead": "Lead",
        "reasons": ["Reason.", "Another."],
        "bars": [Bar("noisy", 20.0, "noisy"), Bar("denoised", 5.0, "denoised")],
        "measured": "Measured",
        "figures": [Figure("12", "rows", "Counted")],
        "pictures": [Picture("Picture", "Caption", lambda theme, inches: f"{theme.page} {inches}".encode())],
        "code": ["import this", "this.run()"],
        "code_note": "Run it",
        "facts": [("Seed", "0")],
    }
    return Report(**{**fields, **changes}).html()


class Outline(HTMLParser):
    """Whether tags match, and what the page refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "srcset", "href")]
        if tag not in ("meta", "img", "source", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else():
    """Every tag is closed, every picture is in the page itself, and no style sheet or script is fetched."""
    outline = Outline(page())
    assert outline.open == []
    assert len(outline.references) == 4
    assert all(reference.startswith("data:image/png;base64,") for reference in outline.references)
    assert not re.search(r"https?:|@import|url\(|<script|<link", page())


def test_every_text_is_escaped():
    """A table or database that is called like a tag stays a text."""
    text = page(
        title=NASTY,
        lead=NASTY,
        reasons=[NASTY],
        bars=[Bar(NASTY, 1.0, "pca")],
        measured=NASTY,
        figures=[Figure(NASTY, NASTY, NASTY)],
        pictures=[Picture(NASTY, NASTY, lambda theme, inches: b"")],
        code=[NASTY],
        code_note=NASTY,
        facts=[(NASTY, NASTY)],
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 17
    Outline(text)


def test_light_and_dark_wide_and_narrow():
    """The page brings a picture for each kind of screen, and the colours of both themes."""
    import base64

    expected = [(DARK, NARROW), (LIGHT, NARROW), (DARK, WIDE), (LIGHT, WIDE)]
    shown = [base64.b64decode(r.partition(",")[2]).decode() for r in Outline(page()).references]
    assert shown == [f"{theme.page} {inches}" for theme, inches in expected]
    light, dark = re.findall(r":root\{[^}]*--page:(#\w+);", page())
    assert (light, dark) == (LIGHT.page, DARK.page)
    assert 'media="(max-width: 600px) and (prefers-color-scheme: dark)"' in page()


def test_bars_have_the_length_of_their_errors():
    """The largest error fills the width; another one its share of it; without any error there is no division by 0."""
    assert re.findall(r"<b>([\d.]+)</b><i style=\"width:([\d.]+)%", page()) == [("20", "100.0"), ("5", "25.0")]
    assert re.findall(r"width:([\d.]+)%;background", page(bars=[Bar("none", 0.0, "noisy")])) == ["0.0"]
    odd = [Bar("one", 1.0, "pca"), Bar("infinite", float("inf"), "noisy"), Bar("nan", float("nan"), "denoised")]
    assert re.findall(r"width:([\d.]+)%;background", page(bars=odd)) == ["100.0", "100.0", "0.0"]


def test_the_lines_to_paste_stand_below_each_other():
    """The code is shown as it is pasted, with what it does; reasons follow the lead, and none leave no room."""
    assert "<pre>import this\nthis.run()</pre>" in page()
    assert '<p class="lead">Reason. Another.</p></header>' in page()
    assert "Lead</p></header>" in page(reasons=[])
