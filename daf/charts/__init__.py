"""Charts of results: described once as data, drawn by matplotlib into files and by Vega-Lite in pages.

model        what a chart shows: rows, axes, title, and a description in words
static       figures, files and inline SVG, by matplotlib
interactive  charts that live in a page, by Vega-Lite
runtime      the scripts of a page with such charts
blank        what charts say that have nothing to draw
style        colours, shapes and dashes of series and verdicts
words        numbers and names as a chart's text
names        names shortened together, so that different ones stay different
histograms   what both drawings of histograms share
ranges       the part of an axis that is shown
intervals    what both drawings of values with intervals share
lines        what both drawings of lines and points share
parallel     what both drawings of parallel coordinates share
matrices     what both drawings of matrices share
ranks        what both drawings of mean ranks share
drawing/     how matplotlib draws each kind
specs/       how Vega-Lite describes each kind
"""
