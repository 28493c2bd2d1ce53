"""Charts drawn by matplotlib. Only `daf.charts.static` imports from here, when something is drawn.

sheet      a figure in pixels: its text, its settings, its file formats
frame      axes with ticks, titles and a legend
intervals  values with intervals
matrices   heat maps of values
ranks      mean ranks with a critical difference
lines      lines, points and steps
panels     histograms and parallel coordinates
blank      a chart that has nothing to draw, as text
page_svg   a figure as SVG for a page, with CSS variables for colours
"""
