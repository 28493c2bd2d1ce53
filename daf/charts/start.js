// Draws the charts of a page when they come near the window. A chart whose drawing fails keeps its static picture.
(function () {
  "use strict";
  var VARIABLES = __VARIABLES__; // colour in a specification: the CSS variable that replaces it
  var COLOURED = { colour: true, fill: true, edge: true }; // columns of data that hold colours
  var LITERAL = { title: true, description: true, domain: true, labelExpr: true }; // texts that may look like a colour
  var UNSAVED = /^(from|to|word|row|p\d+|top|base|axis|colour|fill|edge|shape|shown|cut|place|line_id|is_right|tip_.*)$/; // columns about drawing alone
  var NARROW = 520, PICTURE_WIDTH = 760, LONGEST_TITLE = 46, LEGEND_OFFSET = 26, MANY = 1500;
  var queue = Promise.resolve();
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function colours() {
    var css = getComputedStyle(document.documentElement), found = {};
    Object.keys(VARIABLES).forEach(function (colour) {
      found[colour] = css.getPropertyValue(VARIABLES[colour]).trim() || colour;
    });
    return found;
  }

  function recoloured(value, found) {
    if (typeof value === "string") { return Object.prototype.hasOwnProperty.call(found, value) ? found[value] : value; }
    if (Array.isArray(value)) { return value.map(function (member) { return recoloured(member, found); }); }
    if (value === null || typeof value !== "object") { return value; }
    var copy = {};
    Object.keys(value).forEach(function (key) {
      copy[key] = LITERAL[key] ? value[key] : recoloured(value[key], found);
    });
    return copy;
  }

  function column(packed) { // texts that repeat come numbered, and a column of one value comes once
    if (Array.isArray(packed)) { return packed; }
    if (packed.codes) { return packed.codes.map(function (code) { return packed.levels[code]; }); }
    return new Array(packed.count).fill(packed.all);
  }

  function rows(columns) {
    var names = Object.keys(columns), values = names.map(function (name) { return column(columns[name]); });
    return (values[0] || []).map(function (_, index) {
      var row = {};
      names.forEach(function (name, place) { row[name] = values[place][index]; });
      return row;
    });
  }

  function folded(text, width) {
    return text.split(" ").reduce(function (lines, word) {
      var joined = lines.length ? lines[lines.length - 1] + " " + word : word;
      if (lines.length && joined.length <= width) { lines[lines.length - 1] = joined; } else { lines.push(word); }
      return lines;
    }, []);
  }

  function foldTitles(value, legend) { // titles of axes in several lines, up to the right end, if there is little room
    if (value === null || typeof value !== "object") { return; }
    if (typeof value.title === "string" && value.labelExpr) {
      var lines = folded(value.title, LONGEST_TITLE);
      if (value.titleY === undefined) { value.titleAnchor = "end"; } else {
        value.titleY -= 14 * (lines.length - 1); // above the plot, and below the legend
        legend.offset = Math.max(legend.offset, LEGEND_OFFSET + 14 * (lines.length - 1));
      }
      value.title = lines;
    }
    Object.keys(value).forEach(function (key) { if (key !== "datasets") { foldTitles(value[key], legend); } });
  }

  function tables(chart, found) {
    var copy = {};
    Object.keys(chart.data).forEach(function (name) {
      copy[name] = rows(chart.data[name]);
      if (found) {
        copy[name].forEach(function (row) {
          Object.keys(COLOURED).forEach(function (key) { if (row[key] in found) { row[key] = found[row[key]]; } });
        });
      }
    });
    return copy;
  }

  function embed(element, chart, found, width) {
    var spec = found ? recoloured(chart.spec, found) : JSON.parse(JSON.stringify(chart.spec));
    spec.datasets = tables(chart, found);
    spec.params[0].value = (width || element.clientWidth) < NARROW;
    if (spec.params[0].value) {
      spec.height = heightOf(chart);
      foldTitles(spec, spec.config.legend);
    }
    if (width) { spec.width = width; spec.title = { text: chart.title }; }
    var count = Object.keys(spec.datasets).reduce(function (sum, name) { return sum + spec.datasets[name].length; }, 0);
    return window.dafVega.embed(element, spec, {
      mode: "vega-lite", actions: false, ast: true, defaultStyle: false, hover: false,
      renderer: chart.renderer || (count > MANY ? "canvas" : "svg"),
      tooltip: { disableDefaultStyle: true },
    });
  }

  function heightOf(chart) {
    return chart.spec.usermeta && chart.spec.usermeta.narrowHeight || chart.spec.height;
  }

  function draw(chart) {
    queue = queue.then(function () {
      if (chart.result) { chart.result.finalize(); chart.result = null; }
      chart.figure.classList.add("is-drawing");
      return embed(chart.live, chart, colours()).then(function (result) {
        chart.result = result;
        chart.width = chart.live.clientWidth;
        var isFocused = document.activeElement === chart.figure.querySelector(".chart-still");
        chart.figure.classList.add("is-live");
        if (isFocused) { chart.live.focus({ preventScroll: true }); } // the picture, now hidden, cannot keep it
        if (chart.brushes && chart.brushes.some(Boolean)) { keep(chart, chart.brushes); }
      });
    }).catch(function (error) {
      chart.figure.classList.remove("is-live");
      console.warn("The chart '" + chart.title + "' stays a picture:", error);
    }).then(function () {
      chart.figure.classList.remove("is-drawing");
      return new Promise(function (next) { setTimeout(next, 0); });
    });
  }

  function resized(chart) {
    var width = chart.live.clientWidth;
    if (!chart.result || !width || width === chart.width) { return; }
    var wasNarrow = chart.width < NARROW;
    chart.width = width;
    if (wasNarrow !== (width < NARROW)) { draw(chart); } else { chart.result.view.width(width).resize().runAsync(); }
  }

  // ---- saving ---------------------------------------------------------------------------------------------

  function save(url, name) {
    var link = document.createElement("a");
    link.href = url;
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
  }

  function savePicture(chart, kind) { // in light colours, with its title, at a fixed width
    var place = document.createElement("div");
    place.style.cssText = "position:absolute;left:-99999px;top:0;width:" + PICTURE_WIDTH + "px";
    document.body.appendChild(place);
    return embed(place, chart, null, PICTURE_WIDTH).then(function (result) {
      return result.view.toImageURL(kind, kind === "png" ? 2 : 1).then(function (url) {
        save(url, chart.name + "." + kind);
        result.finalize();
      });
    }).finally(function () { place.remove(); });
  }

  function cell(value) {
    if (value === null || value === undefined) { return ""; }
    var text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) { text = "'" + text; } // not a formula
    return /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }

  function table(chart) {
    var found = tables(chart, null), parts = Object.keys(found).filter(function (name) { return found[name].length; });
    var names = [];
    parts.forEach(function (part) {
      Object.keys(found[part][0]).forEach(function (name) {
        if (!UNSAVED.test(name) && names.indexOf(name) < 0) { names.push(name); }
      });
    });
    var lines = [["part"].concat(names.map(function (name) { return chart.names[name] || name; })).map(cell).join(",")];
    parts.forEach(function (part) {
      found[part].forEach(function (row) {
        lines.push([part].concat(names.map(function (name) { return row[name]; })).map(cell).join(","));
      });
    });
    return lines.join("\r\n") + "\r\n";
  }

  function saveData(chart) {
    var url = URL.createObjectURL(new Blob(["\ufeff", table(chart)], { type: "text/csv;charset=utf-8" }));
    save(url, chart.name + ".csv");
    setTimeout(function () { URL.revokeObjectURL(url); }, 1000);
  }

  function addButton(chart, name, act) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-label", name + ": " + chart.title);
    button.addEventListener("click", act);
    chart.figure.querySelector(".chart-tools").appendChild(button);
  }

  function addTools(chart) {
    var tools = chart.figure.querySelector(".chart-tools");
    [["Save SVG", function () { return savePicture(chart, "svg"); }],
     ["Save PNG", function () { return savePicture(chart, "png"); }],
     ["Save data (CSV)", function () { saveData(chart); }]].forEach(function (pair) {
      addButton(chart, pair[0], pair[1]);
    });
    addBrushes(chart);
    chart.told = document.createElement("span");
    chart.told.className = "chart-told";
    chart.told.setAttribute("aria-live", "polite");
    tools.appendChild(chart.told);
  }

  // ---- keyboard -------------------------------------------------------------------------------------------

  function text(value) {
    return typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : String(value);
  }

  function tell(chart, event) { // arrow keys read one row after the other
    var moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (!(event.key in moves) && event.key !== "Home" && event.key !== "End") { return; }
    var all = chart.rows || (chart.rows = rows(chart.data.rows));
    if (!all.length) { return; }
    event.preventDefault();
    chart.place = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1
      : Math.max(0, Math.min(all.length - 1, (chart.place === undefined ? -1 : chart.place) + moves[event.key]));
    chart.told.textContent = chart.tells.map(function (pair) {
      var value = all[chart.place][pair[0]];
      if (value === null || value === undefined || value === "") { return ""; }
      return pair[1] ? pair[1] + " " + text(value) : text(value);
    }).filter(Boolean).join(", ");
  }

  // ---- brushes on parallel axes ---------------------------------------------------------------------------

  function keep(chart, brushes) {
    chart.brushes = brushes;
    if (!chart.isWaiting) { // at most one update a frame, with the newest brushes
      chart.isWaiting = true;
      requestAnimationFrame(function () {
        chart.isWaiting = false;
        chart.result.view.signal("brushes", chart.brushes).runAsync();
      });
    }
    var all = chart.rows || (chart.rows = rows(chart.data.rows)), isAny = brushes.some(Boolean);
    var kept = all.filter(function (row) {
      return brushes.every(function (brush, axis) {
        return !brush || (row["p" + axis] >= brush[0] && row["p" + axis] <= brush[1]);
      });
    });
    chart.told.textContent = isAny ? kept.length + " of " + all.length + " kept" : "";
  }

  function addBrushes(chart) {
    var count = (chart.spec.params.filter(function (param) { return param.name === "brushes"; })[0] || {}).value;
    if (!count) { return; }
    chart.brushes = count;
    var held = null;
    function place(event) { // the nearest axis and the height on it
      var view = chart.result.view, box = chart.live.querySelector("svg,canvas").getBoundingClientRect();
      var origin = view.origin(), x = view.scale("x"), y = view.scale("y");
      var left = event.clientX - box.left - origin[0], axis = Math.round(x.invert(left));
      axis = Math.max(0, Math.min(count.length - 1, axis));
      return { axis: axis, gap: Math.abs(x(axis) - left),
        at: Math.max(y.domain()[0], Math.min(1, y.invert(event.clientY - box.top - origin[1]))) };
    }
    chart.live.addEventListener("pointerdown", function (event) {
      if (!chart.result || event.pointerType === "touch" || event.button !== 0) { return; }
      var start = place(event);
      if (start.gap > 20) { return; }
      held = start;
      chart.live.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    chart.live.addEventListener("pointermove", function (event) {
      if (!held) { return; }
      var at = place(event).at, next = chart.brushes.slice();
      next[held.axis] = Math.abs(at - held.at) < 0.01 ? null : [Math.min(at, held.at), Math.max(at, held.at)];
      held.isMoved = true;
      keep(chart, next);
    });
    chart.live.addEventListener("pointerup", function () {
      if (held && !held.isMoved) { // a click without a move takes the brush away
        var next = chart.brushes.slice();
        next[held.axis] = null;
        keep(chart, next);
      }
      held = null;
    });
    addButton(chart, "Clear brushes", function () { keep(chart, chart.brushes.map(function () { return null; })); });
  }

  // ---- start ----------------------------------------------------------------------------------------------

  function read(figure) {
    var chart = JSON.parse(figure.querySelector(".chart-data").textContent);
    chart.figure = figure;
    chart.name = figure.dataset.chart;
    chart.live = figure.querySelector(".chart-live");
    chart.live.tabIndex = 0;
    chart.live.setAttribute("role", "group");
    chart.live.setAttribute("aria-label", chart.title + ". Arrow keys read its values.");
    chart.live.addEventListener("keydown", function (event) { tell(chart, event); });
    addTools(chart);
    return chart;
  }

  function start() {
    var charts = new Map();
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting || charts.has(entry.target)) { return; }
        seen.unobserve(entry.target);
        var chart = read(entry.target);
        charts.set(entry.target, chart);
        draw(chart);
        new ResizeObserver(function () { resized(chart); }).observe(chart.live);
      });
    }, { rootMargin: "400px" });
    document.querySelectorAll("figure[data-chart]").forEach(function (figure) { seen.observe(figure); });
    dark.addEventListener("change", function () { charts.forEach(draw); });
  }

  if (window.dafVega && window.IntersectionObserver && window.ResizeObserver) { start(); }
})();
