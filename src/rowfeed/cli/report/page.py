"""The report: one HTML page that needs nothing else, for wide and narrow screens, in light and in dark."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from html import escape

from rowfeed.cli.report.look import DARK, LIGHT, NARROW, WIDE, Theme


@dataclass(frozen=True)
class Bar:
    """An error beside others: `colour` names a field of `Theme`."""

    label: str
    value: float
    colour: str


@dataclass(frozen=True)
class Figure:
    """A number, its meaning, and the way of counting."""

    value: str
    label: str
    meaning: str


@dataclass(frozen=True)
class Picture:
    """A PNG, drawn for each kind of screen that may show it.

    Args:
        title: Its heading.
        caption: Its content.
        draw: Draws it in a theme and in a width in inches.
    """

    title: str
    caption: str
    draw: Callable[[Theme, float], bytes]


@dataclass(frozen=True)
class Report:
    """All contents of the page. Every text is escaped; none is HTML.

    Args:
        title: The model and its data.
        lead: The result, in a sentence or two.
        reasons: The reasons, in whole sentences; may be none.
        bars: Mean squared errors; the longest bar is the largest.
        measured: The meaning of the bars and the way of measuring.
        figures: The numbers of the training.
        pictures: The pictures.
        code: Lines of Python that load the model.
        code_note: The effect of these lines.
        facts: The facts for getting the same numbers again: name and value.
    """

    title: str
    lead: str
    reasons: Sequence[str]
    bars: Sequence[Bar]
    measured: str
    figures: Sequence[Figure]
    pictures: Sequence[Picture]
    code: Sequence[str]
    code_note: str
    facts: Sequence[tuple[str, str]]

    def html(self) -> str:
        """The page."""
        longest = max((bar.value for bar in self.bars if math.isfinite(bar.value)), default=0) or 1
        bars = "".join(
            f'<div class="bar"><span>{escape(bar.label)}</span><b>{bar.value:.3g}</b>'
            f'<i style="width:{_percent(bar.value / longest):.1f}%;background:var(--{bar.colour})"></i></div>'
            for bar in self.bars
        )
        reasons = f'<p class="lead">{escape(" ".join(self.reasons))}</p>' if self.reasons else ""
        figures = "".join(
            f"<div><dt>{escape(figure.label)}</dt><dd>{escape(figure.value)}</dd></div>" for figure in self.figures
        )
        pictures = "".join(_picture(picture) for picture in self.pictures)
        meanings = "".join(
            f"<dt>{escape(figure.label)}</dt><dd>{escape(figure.meaning)}</dd>" for figure in self.figures
        )
        facts = "".join(
            f"<tr><th>{escape(name)}</th><td>{_breakable(escape(value))}</td></tr>" for name, value in self.facts
        )
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_variables(LIGHT)}"
            f"@media (prefers-color-scheme: dark) {{{_variables(DARK)}}}{CSS}</style>\n</head>\n<body>\n<main>\n"
            f'<header><p class="mark">rowfeed</p><h1>{escape(self.title)}</h1>'
            f'<p class="lead">{escape(self.lead)}</p>{reasons}</header>\n'
            f'<section class="card bars"><h2>Error on samples it never saw</h2>{bars}'
            f'<p class="note">{escape(self.measured)}</p></section>\n'
            f'<dl class="figures">{figures}</dl>\n{pictures}\n'
            f'<section class="card"><h2>Use the model</h2><pre>{escape(chr(10).join(self.code))}</pre>'
            f'<p class="note">{escape(self.code_note)}</p></section>\n'
            f'<section class="meanings"><h2>What was counted</h2><dl>{meanings}</dl></section>\n'
            f"<section><h2>What it ran on</h2><table>{facts}</table></section>\n"
            "</main>\n</body>\n</html>\n"
        )


def _percent(ratio: float) -> float:
    """0 to 100, also for NaN."""
    return 100 * min(ratio, 1.0) if ratio == ratio else 0.0


def _picture(picture: Picture) -> str:
    def data(theme: Theme, inches: float) -> str:
        return f"data:image/png;base64,{base64.b64encode(picture.draw(theme, inches)).decode()}"

    dark, phone = "(prefers-color-scheme: dark)", "(max-width: 600px)"
    return (
        f'<figure class="card"><h2>{escape(picture.title)}</h2><picture>'
        f'<source media="{phone} and {dark}" srcset="{data(DARK, NARROW)}">'
        f'<source media="{phone}" srcset="{data(LIGHT, NARROW)}">'
        f'<source media="{dark}" srcset="{data(DARK, WIDE)}">'
        f'<img src="{data(LIGHT, WIDE)}" alt="{escape(picture.caption)}"></picture>'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>\n"
    )


def _breakable(text: str) -> str:
    """Lets a long URL break after a slash."""
    return text.replace("/", "/<wbr>")


def _variables(theme: Theme) -> str:
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in asdict(theme).items()) + "}"


CSS = """
*{box-sizing:border-box;margin:0}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{background:var(--page);color:var(--ink);line-height:1.55;
 font:17px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:880px;margin:0 auto;padding:clamp(28px,7vw,80px) clamp(16px,4vw,40px) 72px}
.mark{font-weight:650;letter-spacing:.02em;color:var(--denoised);margin-bottom:20px}
.mark::before{content:"";display:inline-block;width:.72em;height:.72em;margin-right:.5em;border-radius:2px;
 background:linear-gradient(90deg,var(--denoised) 30%,transparent 0 36%,var(--denoised) 0 64%,transparent 0 70%,
 var(--denoised) 0)}
h1{font:600 clamp(31px,5.4vw,50px)/1.1 "Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,serif;
 letter-spacing:-.015em;text-wrap:balance;max-width:17em}
.lead{font-size:clamp(18px,2.3vw,21px);line-height:1.5;color:var(--muted);margin-top:20px;max-width:36em;
 text-wrap:pretty}
h2{font-size:15px;font-weight:650;letter-spacing:.01em;margin-bottom:18px}
section,figure,.figures{margin-top:28px}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:clamp(18px,3.4vw,30px)}
header+.card{margin-top:44px}
.bar{display:grid;grid-template-columns:1fr auto;align-items:baseline;gap:2px 16px;margin-bottom:16px}
.bar b{font-variant-numeric:tabular-nums;font-weight:600}
.bar i{grid-column:1/-1;height:12px;border-radius:3px;min-width:2px}
.note,figcaption{color:var(--muted);font-size:15px;max-width:44em;text-wrap:pretty}
.note{margin-top:22px}
pre{font:15px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(3,1fr);background:var(--line);gap:1px;border:1px solid var(--line);
 border-radius:14px;overflow:hidden}
.figures div{background:var(--card);padding:20px clamp(14px,3vw,30px);display:flex;flex-direction:column-reverse;
 justify-content:flex-end}
.figures dd{font-size:clamp(23px,3.4vw,32px);line-height:1.2;font-weight:600;letter-spacing:-.02em;
 font-variant-numeric:tabular-nums}
.figures dt{color:var(--muted);font-size:14px;line-height:1.35;margin-top:4px}
img{display:block;width:100%;height:auto}
figcaption{margin-top:18px}
.meanings,.meanings+section{margin-top:52px}
.meanings dl{display:grid;grid-template-columns:minmax(9em,1fr) 3fr;gap:14px 28px;font-size:15px}
.meanings dt{font-weight:600}
.meanings dd{color:var(--muted);text-wrap:pretty}
table{border-collapse:collapse;width:100%;font-size:15px}
th,td{text-align:left;vertical-align:top;padding:9px 0;border-top:1px solid var(--line)}
th{font-weight:600;width:26%;min-width:7.5em;padding-right:28px}
td{color:var(--muted);overflow-wrap:anywhere}
@media (max-width:600px){
 .figures{grid-template-columns:1fr 1fr}
 .meanings dl{grid-template-columns:1fr;gap:2px}
 .meanings dd{margin-bottom:14px}
}
@media print{body{background:none}.card,.figures{break-inside:avoid}}
"""
