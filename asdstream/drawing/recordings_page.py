"""Recordings with their scores as a page that needs no network: to zoom into, and to point at."""

import base64
import html
import json
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdstream.drawing.loudness import STOPS, loudness_range
from asdstream.drawing.scale import clock_text, frequency_ticks, time_ticks
from asdstream.drawing.scored_recording import CEILING, ScoredRecording
from asdstream.errors import AsdstreamError

MOST_STEPS = 2_000
"""Of a recording's scores; more cannot be told apart on a screen."""
_CALM, _ALARMING, _INK = "#1f4e79", "#c02828", "#1e1e1e"
_MOST_TICKS = 10
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""Nothing is fetched from anywhere."""
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1e1e1e;background:#fff;max-width:80rem;margin:0 auto;padding:1rem}"
    "h2{font-size:1.1rem;margin:2rem 0 0;overflow-wrap:anywhere}p{margin:0}.anomalous{color:#c02828;font-weight:600}"
    ".drawing{height:30rem}"
)
_SCRIPT = (
    "for (const [index, {data, layout}] of drawings.entries()) {"
    " Plotly.newPlot(`drawing-${index}`, data, layout, {responsive: true, displaylogo: false}); }"
)


class PlotlyMissingError(AsdstreamError):
    """What draws in the page is not installed."""


def plotly_problem() -> str | None:
    """Why no page can be made, None where one can."""
    if find_spec("plotly") is not None:
        return None
    return "a page is drawn by plotly, which is not installed: pip install 'asdstream[dashboard]', or name a .png file"


def recordings_page(recordings: Sequence[ScoredRecording]) -> str:
    """HTML with the same as `draw_recordings`; raises PlotlyMissingError."""
    problem = plotly_problem()
    if problem is not None:
        raise PlotlyMissingError(problem)
    library = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")
    parts = [_section(index, recording) for index, recording in enumerate(recordings)]
    # Within a script, "<" alone could end it.
    drawings = json.dumps([_drawing(recording) for recording in recordings], allow_nan=False).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Anomaly scores</title><style>{_STYLE}</style></head>\n<body><h1>Anomaly scores</h1>\n"
        + "\n".join(parts)
        + f"\n<script>{library}</script>\n<script>const drawings = {drawings};\n{_SCRIPT}</script></body></html>\n"
    )


def _section(index: int, recording: ScoredRecording) -> str:
    name, verdict = html.escape(recording.name), html.escape(recording.verdict)
    if recording.cut_off:
        verdict += f" (drawn up to {CEILING:g} times the threshold; a double click shows all)"
    length = clock_text(recording.seconds, recording.seconds)
    described = f"Spectrogram of {name} and below it the scores of its windows. {verdict}."
    return (
        f"<h2>{name}, {length}</h2>"
        f'<p class="{"anomalous" if recording.anomalous else "normal"}">{verdict}</p>'
        f'<div class="drawing" id="drawing-{index}" role="img" aria-label="{described}"></div>'
    )


def _drawing(recording: ScoredRecording) -> dict[str, Any]:
    shown = recording.spectrogram
    darkest, brightest = loudness_range([shown.mel])
    begins, scores = recording.steps(MOST_STEPS)
    columns = shown.times_s.astype(float)
    heard = {
        "type": "heatmap",
        "x0": float(columns[0]),
        "dx": float(columns[1] - columns[0]) if len(columns) > 1 else recording.seconds,
        "y": list(range(len(shown.hz))),
        # A decibel is less than the eye tells apart, and a byte holds all of them.
        "z": {**_packed(np.rint(shown.mel), "i1"), "shape": f"{shown.mel.shape[0]}, {shown.mel.shape[1]}"},
        "zmin": darkest,
        "zmax": brightest,
        "colorscale": [[place / (len(STOPS) - 1), f"rgb{stop}"] for place, stop in enumerate(STOPS)],
        "zsmooth": "fast",
        "showscale": False,
        "hovertemplate": "%{x:.1f} s<br>%{z:.0f} dB<extra></extra>",
    }
    over = scores > (np.inf if recording.threshold is None else recording.threshold)
    thought = {
        "type": "bar",
        "x": _packed(begins[:-1], "f8"),
        "y": _packed(scores, "f8"),
        "yaxis": "y2",
        "offset": 0,
        "width": _packed(np.diff(begins), "f8"),
        "marker": {"color": [_ALARMING if one else _CALM for one in over], "line": {"width": 0}},
        "hovertemplate": "score %{y:.4f}<extra></extra>",
    }
    marked = {hertz: float(np.interp(hertz, shown.hz, np.arange(len(shown.hz)))) for hertz, _ in frequency_ticks()}
    moments = time_ticks(recording.seconds, _MOST_TICKS)
    layout = {
        "margin": {"l": 64, "r": 16, "t": 8, "b": 36},
        "showlegend": False,
        "font": {"color": _INK, "size": 13},
        "xaxis": {
            "range": [0.0, recording.seconds],
            "anchor": "y2",
            "tickvals": [value for value, _ in moments],
            "ticktext": [name for _, name in moments],
        },
        "yaxis": {
            "domain": [0.42, 1.0],
            "tickvals": list(marked.values()),
            "ticktext": [name for _, name in frequency_ticks()],
            "fixedrange": True,
        },
        "yaxis2": {"domain": [0.0, 0.36], "range": recording.score_range, "title": {"text": "score"}},
        "shapes": [] if recording.threshold is None else [_threshold_line(recording.threshold)],
        "annotations": [] if recording.threshold is None else [_threshold_words(recording.threshold)],
    }
    return {"data": [heard, thought], "layout": layout}


def _threshold_line(threshold: float) -> dict[str, Any]:
    at = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y2", "y0": threshold, "y1": threshold}
    return {"type": "line", "line": {"color": _INK, "width": 1, "dash": "dash"}, **at}


def _threshold_words(threshold: float) -> dict[str, Any]:
    at = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "y2", "y": threshold, "yanchor": "bottom"}
    return {"text": f"threshold {threshold:.4f}", "showarrow": False, **at}


def _packed(numbers: NDArray[Any], kind: str) -> dict[str, str]:
    """Numbers as plotly's JavaScript unpacks them, little-endian."""
    return {"dtype": kind, "bdata": base64.b64encode(numbers.astype(f"<{kind}").tobytes()).decode()}
