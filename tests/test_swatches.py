"""Tables with colors: what stands in the HTML, and what a terminal reads."""

import pandas as pd

from n2vlib.display import swatches


def test_colors_become_squares_and_texts_are_escaped():
    frame = pd.DataFrame({"word": ["<b>", "red"], "colors": [["#112233", "#445566"], ["#ff0000"] * 6]})
    shown = swatches.table(frame, "Colors & words")
    assert shown.html.count("background:#ff0000") == 6 and "background:#445566" in shown.html
    assert "<b>" not in shown.html and "&lt;b&gt;" in shown.html and "Colors &amp; words" in shown.html
    assert 'aria-label="#112233 #445566"' in shown.html
    assert "#ff0000 #ff0000 #ff0000 #ff0000 and 2 more" in shown.text
