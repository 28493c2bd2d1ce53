"""Charts as Vega-Lite specifications, made with Altair. Only `daf.charts.interactive` imports from here.

common     configuration, axes, colours, tooltips and gestures that all kinds share
intervals  values with intervals
lines      lines, points and steps
panels     histograms and parallel coordinates
matrices   heat maps of values
ranks      mean ranks with a critical difference
"""
